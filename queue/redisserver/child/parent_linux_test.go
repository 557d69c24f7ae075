package child

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The test program, started once more, starts a child and is killed. The child holds their common output open for as
// long as it lives.
func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	if os.Getenv("CHILD_TEST_PARENT") != "" {
		beParent(t)
		return
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildDiesWithItsParent$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), "CHILD_TEST_PARENT=yes")
	cmd.Stdout = write
	parent := start(t, cmd)
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(read)
	if line, err := lines.ReadString('\n'); err != nil || line != "the child runs\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := read.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil {
		t.Errorf("the child outlived its parent: %q, %v", rest, err)
	}
}

func beParent(t *testing.T) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.Stdout = os.Stdout
	c := start(t, cmd)
	fmt.Println("the child runs")
	<-c.Done()
}
