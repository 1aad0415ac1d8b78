//go:build unix && !linux

package pgtest

import "errors"

var errLinux = errors.New("pgtest: killing a server and filling its disk take Linux")

func (c *Cluster) mountDisk() error { return errLinux }

func fillDisk(string) error { return errLinux }

func clearDisk(string) error { return errLinux }

func children(int) ([]int, error) { return nil, errLinux }
