package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// patience bounds every wait for a process.
const patience = 60 * time.Second

// Program is how a process is started.
type Program struct {
	Path string
	Args []string
	Dir  string
	Env  []string // nil means the test's own
	// Ready is a URL that answers 200 as soon as the process does its work; "" waits for nothing.
	Ready string
	// Log is a file that takes stdout and stderr; what is in it stays.
	Log string
}

// Process is a program that runs.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Start starts p and waits until it is ready. A process that ends before is an error that
// holds the end of its log.
func Start(p Program) (*Process, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.Dir, p.Env, log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	run := &Process{cmd, p.Log, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its state says it all
		close(run.done)
	}()
	if err := run.ready(p.Ready); err != nil {
		_, _ = run.End(os.Kill)
		return nil, fmt.Errorf("start %s: %w\n%s", filepath.Base(p.Path), err, run.tail())
	}
	return run, nil
}

func (p *Process) ready(url string) error {
	if url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return fmt.Errorf("it ended: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		if Answers(ctx, url) {
			return nil
		}
	}
}

// Answers says whether a GET of url has 200 for an answer.
func Answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	req.Close = true // of a process that may be killed
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Signal sends a signal and does not wait.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// End sends a signal, waits for the end and returns the exit code, -1 after a kill.
func (p *Process) End(s os.Signal) (int, error) {
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		return 0, fmt.Errorf("%s did not end at %v\n%s", filepath.Base(p.cmd.Path), s, p.tail())
	}
}

// Ended says whether the process is over.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tail is the end of the log.
func (p *Process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}
