package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// The work of a child that has ended is part of what its parent's family used, or a database that starts a
// process for each connection would seem to cost nothing.
func TestTheProcessorTimeOfEndedChildrenCounts(t *testing.T) {
	own, family := ownTime(os.Getpid()), familyTime(os.Getpid())
	child := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	used := child.ProcessState.UserTime() + child.ProcessState.SystemTime()
	ownUsed, familyUsed := ownTime(os.Getpid()).minus(own), familyTime(os.Getpid()).minus(family)
	if !ownUsed.known || !familyUsed.known {
		t.Fatal("the processor time is not known")
	}
	if familyUsed.time-ownUsed.time < used-3*tick || used < 3*tick {
		t.Errorf("the child used %s; the family %s, of which this process %s", used, familyUsed.time, ownUsed.time)
	}
}

func TestARunningChildIsSeen(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	if parent := parentOf(child.Process.Pid); parent != os.Getpid() {
		t.Errorf("the child's parent is %d, want %d", parent, os.Getpid())
	}
	if resident(os.Getpid()) < 1<<20 {
		t.Errorf("this process holds %d bytes", resident(os.Getpid()))
	}
}

func TestWhatCannotBeSeenIsNotKnown(t *testing.T) {
	const nobody = 1 << 30
	if own := ownTime(nobody); own.known || own.perCall(10) != nil {
		t.Errorf("the processor time of nobody is %+v", own)
	}
	if parentOf(nobody) != 0 || resident(nobody) != 0 {
		t.Errorf("nobody has the parent %d and holds %d bytes", parentOf(nobody), resident(nobody))
	}
	known := spent{time.Second, true}
	if sum := known.plus(ownTime(nobody)); sum.known {
		t.Error("a sum with something unknown is known")
	}
	if micros := known.perCall(4); micros == nil || *micros != 250_000 {
		t.Errorf("a second for four calls is %v", micros)
	}
}
