// Package manifests holds tests of deploy/ that need modules which the program does not: parsers and linters of Dockerfiles, Compose files and
// Kubernetes manifests. It is a module of its own, so that nothing of them is the program's.
package manifests
