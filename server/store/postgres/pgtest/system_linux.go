package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// roomy is more than any test writes. A disk in memory takes up what is on it.
const roomy = 1 << 30

// mountDisk puts a disk in memory where the data will lie. The keeper takes it away.
func (c *Cluster) mountDisk() error {
	if err := os.Mkdir(c.Data(), 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", c.Data(), "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", roomy)); err != nil {
		return fmt.Errorf("pgtest: a disk that can be full takes root with the right to mount (CAP_SYS_ADMIN): %w", err)
	}
	return own(c.Data())
}

// fillDisk makes a disk as small as what is on it.
func fillDisk(folder string) error {
	for tries := 1; ; tries++ {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(folder, &disk); err != nil {
			return err
		}
		err := resizeDisk(folder, (disk.Blocks-disk.Bfree)*uint64(disk.Bsize))
		if !errors.Is(err, syscall.EINVAL) || tries == 100 { // more was written meanwhile
			return err
		}
	}
}

func clearDisk(folder string) error { return resizeDisk(folder, roomy) }

func resizeDisk(folder string, size uint64) error {
	return syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", size))
}

// children returns the processes that a process has started.
func children(parent int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, entry := range entries {
		process, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
		if err != nil { // it has ended meanwhile
			continue
		}
		// The name, in parentheses, may hold anything; behind it come the state and the parent.
		fields := bytes.Fields(status[bytes.LastIndexByte(status, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(parent) {
			found = append(found, process)
		}
	}
	return found, nil
}
