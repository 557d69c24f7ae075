package pgserver

import "syscall"

// endWithParent asks for a fast shutdown of the server when this program dies without stopping it.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGINT }
