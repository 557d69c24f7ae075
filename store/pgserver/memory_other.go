//go:build !linux

package pgserver

// memoryFolder is a folder in memory, where there is plenty of it; "" elsewhere.
func memoryFolder() string { return "" }
