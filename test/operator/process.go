package operator

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A process is a JVM that runs one of the operator's programs, in a folder of its own.
type process struct {
	cmd  *exec.Cmd
	dir  string
	done chan struct{}
	log  logBuffer
}

// logging is what its programs log, to its standard output.
const logConfiguration = `
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
logger.quiet.name = org.apache.flink.configuration.GlobalConfiguration
logger.quiet.level = WARN
appender.console.layout.pattern = %d{ABSOLUTE} %p %c{1} %X{resource.namespace}/%X{resource.name}: %m%n%rThrowable{6}
`

// prepare makes the process's folder, with what its chart calls defaultConfiguration and an empty folder for stores.
func (p *process) prepare(stores string, config map[string]string) error {
	dir, err := os.MkdirTemp("", "flowcert-operator-")
	if err != nil {
		return err
	}
	p.dir = dir
	for _, name := range []string{"conf", "plugins", stores} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	var conf strings.Builder
	for key, value := range config {
		fmt.Fprintf(&conf, "%s: %s\n", key, value)
	}
	for name, text := range map[string]string{"flink-conf.yaml": conf.String(), "log4j.properties": logConfiguration} {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// logging is the JVM's option for where it logs.
func (p *process) logging() string {
	return "-Dlog4j.configurationFile=" + filepath.Join(p.dir, "conf", "log4j.properties")
}

// start starts p.cmd.
func (p *process) start() error {
	p.cmd.Env = append(p.cmd.Env, "FLINK_CONF_DIR="+filepath.Join(p.dir, "conf"), "FLINK_PLUGINS_DIR="+filepath.Join(p.dir, "plugins"), "HOME="+p.dir)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// Log is what it has printed so far.
func (p *process) Log() string { return p.log.String() }

// Ended reports whether the JVM is gone.
func (p *process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop ends the process and removes its files.
func (p *process) Stop() error {
	_ = p.cmd.Process.Signal(os.Interrupt) // fails if it has ended
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return os.RemoveAll(p.dir)
}

// A logBuffer holds what a process prints; it may be read while the process writes.
type logBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
