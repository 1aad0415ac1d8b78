//go:build unix

package main

import "syscall"

// noCoreFiles keeps a crash from writing the process's memory to a file.
func noCoreFiles() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
