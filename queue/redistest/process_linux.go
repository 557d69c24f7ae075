package redistest

import "syscall"

// endWithParent kills the server when the test program dies without having done so.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
