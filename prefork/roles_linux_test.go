package prefork

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// TestMain lets the test binary be another program that uses this package, where
// a test has to kill it or start it in a way of its own.
func TestMain(m *testing.M) {
	folder := os.Getenv("PREFORK_TEST_FOLDER")
	switch os.Getenv("PREFORK_TEST_ROLE") {
	case "owner":
		ownUntilKilled(folder)
	case "probe":
		probe(folder)
	default:
		os.Exit(m.Run())
	}
}

// asRole returns a command that plays a role. command is os.Args[0], perhaps
// behind a program that starts it.
func asRole(role, folder string, command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PREFORK_TEST_ROLE="+role, "PREFORK_TEST_FOLDER="+folder)
	cmd.Stderr = os.Stderr
	return cmd
}

// must stops a role that cannot go on.
func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "role:", err)
		os.Exit(1)
	}
	return value
}

// beginIn launches a script of a folder, and begins a call.
func beginIn(system *System, folder, name string, args ...string) (Process, waitable, *os.File) {
	p := must(system.Launch(context.Background(), Command{Script: folder + "/" + name, Env: testEnv}, Listener{}))
	c := must(call1(context.Background(), p, Request{Env: testEnv, Args: args}))
	return p, c, c.Stdout()
}

// ownUntilKilled begins calls of the scripts "warm" and "cold" in folder, prints
// "ready" and waits to be killed.
func ownUntilKilled(folder string) {
	system := NewSystem(nil)
	for _, name := range []string{"warm", "cold"} {
		_, _, out := beginIn(system, folder, name, "stubborn")
		must(bufio.NewReader(out).ReadString('\n'))
	}
	fmt.Println("ready")
	select {}
}

// probe calls the script "probe" in folder and prints what it writes.
func probe(folder string) {
	p, c, out := beginIn(NewSystem(nil), folder, "probe")
	must(io.Copy(os.Stdout, out))
	c.Wait()
	p.Stop()
	<-p.Exited()
}
