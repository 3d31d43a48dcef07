package daemon

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"

	"github.com/flowcert/flowcert/config"
)

// files watches the folders of the configuration and of the CA files that it
// names. Folders, because the kubelet brings a new content by renaming a link
// beside the files: a watch on a file itself would stay with the old one.
type files struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher
	dirty   atomic.Bool
	done    chan struct{}
}

// watchFiles calls changed after each change. Where nothing can be watched, every
// pass reads the files anyway.
func watchFiles(log *slog.Logger, changed func()) *files {
	f := &files{log: log, done: make(chan struct{})}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("files are not watched: a change is noticed at the next pass", "error", err)
		f.dirty.Store(true)
		close(f.done)
		return f
	}
	f.watcher = watcher
	go f.listen(changed)
	return f
}

func (f *files) listen(changed func()) {
	defer close(f.done)
	for {
		select {
		case event, ok := <-f.watcher.Events:
			if !ok {
				return
			}
			if event.Op == fsnotify.Chmod {
				continue // reading changes times
			}
			f.dirty.Store(true)
			changed()
		case err, ok := <-f.watcher.Errors:
			if !ok {
				return
			}
			f.log.Warn("a change of a file may have been missed", "error", err)
			f.dirty.Store(true)
			changed()
		}
	}
}

// follow watches the folders of a configuration; those of an earlier one stay.
func (f *files) follow(cfg *config.Config) {
	if f.watcher == nil {
		return
	}
	for _, folder := range folders(cfg) {
		if err := f.watcher.Add(folder); err != nil {
			f.log.Warn("a folder is not watched: a change in it is noticed at the next pass", "folder", folder, "error", err)
		}
	}
}

func folders(cfg *config.Config) []string {
	out := []string{}
	if cfg.File != "" {
		out = append(out, filepath.Dir(cfg.File))
	}
	for _, t := range cfg.Truststores {
		for _, s := range t.Sources {
			if s.File != "" {
				out = append(out, filepath.Dir(cfg.Path(s.File)))
			}
		}
		if t.PublicCAs.File != "" {
			out = append(out, filepath.Dir(cfg.Path(t.PublicCAs.File)))
		}
	}
	return out
}

// touched reports whether anything has changed since it was last asked. Without a
// watcher that is not known.
func (f *files) touched() bool {
	if f.watcher == nil {
		return true
	}
	return f.dirty.Swap(false)
}

func (f *files) close() {
	if f.watcher != nil {
		f.watcher.Close()
	}
	<-f.done
}
