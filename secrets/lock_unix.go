//go:build unix

package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lock keeps a second flowcert from writing in the directory until unlock is
// called or the process ends. It locks the directory itself, so nothing is left
// behind. It does not wait. What was written lasts once unlock has returned.
func (d *Dir) Lock() (unlock func(), err error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, Refusal{
				Err:  fmt.Errorf("another flowcert is at work in %s", d.path),
				Hint: "wait until it has ended, then try again",
			}
		}
		return nil, fmt.Errorf("lock %s: %w", d.path, err)
	}
	return func() {
		d.settle()
		f.Close()
	}, nil
}

// checkWritable asks the system, then tries with a file that has no name:
// access(2) alone does not see a full or a quota-bound file system.
func checkWritable(folder string) error {
	if err := unix.Access(folder, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	return tryUnnamedFile(folder)
}

// keepOwner gives f the owner of old. Only root can give files away: for
// anybody else the file is theirs already, or stays so.
func keepOwner(f *os.File, old fs.FileInfo) {
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
}
