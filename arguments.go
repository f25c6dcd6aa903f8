package main

import (
	"os"
	"strings"
	"unsafe"
)

// hideSecrets returns the arguments and blots out the passwords of URLs in the memory that the process list shows.
// They were visible until now, hence --password-file.
func hideSecrets() []string {
	args := make([]string, 0, len(os.Args)-1)
	for _, arg := range os.Args[1:] {
		args = append(args, strings.Clone(arg))
		from, to := userInfo(arg)
		if from < to {
			// The runtime's strings of os.Args lie in the very memory that execve made, which the kernel shows as
			// /proc/PID/cmdline and which may be written (proc_pid_cmdline(5)).
			seen := unsafe.Slice(unsafe.StringData(arg), len(arg))
			for i := from; i < to; i++ {
				seen[i] = 'x'
			}
		}
	}
	return args
}

// userInfo finds the user and password of a URL anywhere in an argument: the bytes from from to to.
func userInfo(arg string) (from, to int) {
	scheme := strings.Index(arg, "://")
	if scheme < 0 {
		return 0, 0
	}
	from = scheme + len("://")
	authority := arg[from:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	// A password may hold an unescaped @, so the last one ends it.
	return from, from + max(0, strings.LastIndexByte(authority, '@'))
}
