// Package faulty is a disk that misbehaves on order, for tests: a FUSE file system over a directory. It fails single writes and syncs with any
// error, and it keeps a journal of what was written and synced, from which it makes the states that a power cut could have left.
//
// Its nouns are Disk, Op and Cut. What a kernel with device mapper does with dm-flakey and dm-log-writes, this does one layer higher: it cannot show
// what a file system makes of lost blocks, but it can be harsher than one, since it loses whatever was not synced, names included.
package faulty

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Kind is what an Op does.
type Kind int

// The kinds. Sync is of a file, SyncDir of a directory; Remove is of either.
const (
	Create Kind = iota
	Mkdir
	Write
	Truncate
	Sync
	SyncDir
	Remove
	Rename
	dropped // what a sync that failed leaves: the kernel forgets what it could not write, and the next sync says nothing of it
)

// Op is one change of the disk.
type Op struct {
	Kind Kind
	// Path is relative to the disk, as it was then; that of the new name for Rename.
	Path string
	// At is where Data goes; for Truncate the new size.
	At   int64
	Data []byte

	node           int // which file or directory; 0 is the root
	parent, from   int // directories of the new and the old name
	name, fromName string
}

// Disk is a mounted one.
type Disk struct {
	// Dir is where it is mounted. A process that holds files of it open MUST end before the test does.
	Dir string

	mu   sync.Mutex
	ops  []Op
	ids  map[uint64]int // inode of what lies below → node
	last int
	fail func(Op) syscall.Errno
}

// Mount makes an empty disk for as long as the test runs. It skips the test where the kernel has no FUSE or the user may not mount.
func Mount(t testing.TB) *Disk {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Getuid() != 0 {
		t.Skip("needs /dev/fuse and root")
	}
	below := t.TempDir()
	d := &Disk{Dir: t.TempDir(), ids: map[uint64]int{}}
	var at syscall.Stat_t
	if err := syscall.Stat(below, &at); err != nil {
		t.Fatal(err)
	}
	data := &fs.LoopbackRoot{Path: below, Dev: at.Dev}
	root := &node{LoopbackNode: fs.LoopbackNode{RootData: data}, disk: d}
	server, err := fs.Mount(d.Dir, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "faulty", Name: "faulty"}})
	if err != nil {
		t.Skipf("a FUSE file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("%v", err)
			_ = syscall.Unmount(d.Dir, syscall.MNT_DETACH)
		}
	})
	return d
}

// Fail has each change judged before it is made: an error that is not zero is what the program gets instead. nil makes the disk sound.
func (d *Disk) Fail(judge func(Op) syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = judge
}

// Ops is how many changes there were so far.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// change makes one change, in turn with all others, and keeps it where it worked. do may complete op.
func (d *Disk) change(op *Op, do func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if errno := d.fail(*op); errno != 0 {
			if op.Kind == Sync {
				d.ops = append(d.ops, Op{Kind: dropped, Path: op.Path, node: op.node})
			}
			return errno
		}
	}
	if errno := do(); errno != 0 {
		return errno
	}
	op.Data = append([]byte(nil), op.Data...) // the buffer is FUSE's
	d.ops = append(d.ops, *op)
	return 0
}

// made gives what was just made a number. The caller holds mu.
func (d *Disk) made(inode *fs.Inode) int {
	d.last++
	d.ids[inode.StableAttr().Ino] = d.last
	return d.last
}

// id is the number of what there is. The caller holds mu.
func (d *Disk) id(inode *fs.Inode) int { return d.ids[inode.StableAttr().Ino] }
