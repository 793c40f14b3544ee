package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Ports that tests give to programs lie below those that Linux and macOS draw by themselves,
// so no connection going out ever takes one while its program is down.
const firstPort, lastPort = 21000, 28999

// Address is a loopback address that belongs to this test until it ends: programs may
// listen on it, die and listen again. A lock on a file of the port's name keeps other
// tests away from it, those of other processes too.
func Address(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "doorward-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// Begin where another process probably does not.
	span := lastPort - firstPort + 1
	for i := range span {
		port := firstPort + (os.Getpid()*64+i)%span
		lock, address := reserve(dir, port)
		if lock == nil {
			continue
		}
		t.Cleanup(func() { _ = lock.Close() })
		return address
	}
	t.Fatalf("every port from %d to %d is taken", firstPort, lastPort)
	return ""
}

// reserve locks a port that nobody listens on, or returns nil.
func reserve(dir string, port int) (*os.File, string) {
	lock, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(port)), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, ""
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return lock, address
		}
	}
	_ = lock.Close()
	return nil, ""
}
