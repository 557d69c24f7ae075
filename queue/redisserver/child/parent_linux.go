package child

import "syscall"

// endWithParent has the child killed when this program dies without having done so.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
