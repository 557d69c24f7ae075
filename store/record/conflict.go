package record

import (
	"fmt"
)

// ReferenceConflictError says that an order of that reference exists and asks for something else.
type ReferenceConflictError struct {
	Source, Reference string
	Existing          Order
}

func (e *ReferenceConflictError) Error() string {
	return fmt.Sprintf("order %q of source %q exists with other content (%d %s jobs, since %s): give the new order a reference of its own",
		e.Reference, e.Source, e.Existing.Total, e.Existing.Kind, e.Existing.CreatedAt.Format("2006-01-02 15:04:05"))
}
