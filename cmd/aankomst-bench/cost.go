package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of processor time in /proc, the same on every Linux.
const tick = 10 * time.Millisecond

// spent is processor time that was measured, or that could not be.
type spent struct {
	time  time.Duration
	known bool
}

func (s spent) plus(other spent) spent {
	return spent{s.time + other.time, s.known && other.known}
}

func (s spent) minus(other spent) spent {
	return spent{s.time - other.time, s.known && other.known}
}

// perCall returns the microseconds a call; nil when they are not known.
func (s spent) perCall(calls int) *float64 {
	if !s.known || calls == 0 {
		return nil
	}
	micros := float64(s.time) / float64(time.Microsecond) / float64(calls)
	return &micros
}

// cost is processor time by who spent it.
type cost struct {
	server, database, generator spent
}

func (c cost) plus(other cost) cost {
	return cost{c.server.plus(other.server), c.database.plus(other.database), c.generator.plus(other.generator)}
}

func (c cost) minus(other cost) cost {
	return cost{c.server.minus(other.server), c.database.minus(other.database), c.generator.minus(other.generator)}
}

// processTime returns what a process has used so far, its parent, and what its ended children had used.
func processTime(pid int) (own, ended spent, parent int) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return own, ended, 0
	}
	// The second field, the name, may hold anything; the third follows the last parenthesis.
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	number := func(field int) int {
		if field-3 >= len(fields) {
			return 0
		}
		n, _ := strconv.Atoi(string(fields[field-3]))
		return n
	}
	ticks := func(field int) spent {
		return spent{time.Duration(number(field)+number(field+1)) * tick, true}
	}
	return ticks(14), ticks(16), number(4)
}

// ownTime returns what one process has used so far.
func ownTime(pid int) spent {
	own, _, _ := processTime(pid)
	return own
}

// familyTime returns what a process and its children, ended ones included, have used so far.
func familyTime(pid int) spent {
	own, ended, _ := processTime(pid)
	sum := own.plus(ended)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return spent{}
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// One that ends meanwhile is passed over here and is among the ended the next time.
		if of, _, parent := processTime(child); of.known && parent == pid {
			sum = sum.plus(of)
		}
	}
	return sum
}

// parentOf returns the parent of a process; 0 when it cannot be seen.
func parentOf(pid int) int {
	_, _, parent := processTime(pid)
	return parent
}

// resident returns how many bytes of memory a process holds; 0 when it cannot be seen.
func resident(pid int) int {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(content)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1]))
	return pages * os.Getpagesize()
}
