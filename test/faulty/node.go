package faulty

import (
	"context"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or directory.
type node struct {
	fs.LoopbackNode
	disk *Disk
}

// WrapChild implements fs.NodeWrapChilder.
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: child.(*fs.LoopbackNode).RootData}, disk: n.disk}
}

func (n *node) at(name string) string { return filepath.Join(n.Path(n.Root()), name) }

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, fh fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	op := Op{Kind: Create, Path: n.at(name), name: name}
	errno = n.disk.change(&op, func() (errno syscall.Errno) {
		if inode, fh, fuseFlags, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out); errno == 0 {
			op.parent, op.node = n.disk.id(n.EmbeddedInode()), n.disk.made(inode)
			fh = &file{whole: fh.(whole), disk: n.disk, node: op.node, path: op.Path}
		}
		return errno
	})
	return inode, fh, fuseFlags, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, errno syscall.Errno) {
	op := Op{Kind: Mkdir, Path: n.at(name), name: name}
	errno = n.disk.change(&op, func() (errno syscall.Errno) {
		if inode, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out); errno == 0 {
			op.parent, op.node = n.disk.id(n.EmbeddedInode()), n.disk.made(inode)
		}
		return errno
	})
	return inode, errno
}

// Open implements fs.NodeOpener.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		return nil, 0, syscall.ENOTSUP // the kernel truncates by itself
	}
	fh, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return &file{whole: fh.(whole), disk: n.disk, node: n.disk.id(n.EmbeddedInode()), path: n.at("")}, fuseFlags, 0
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.remove(name, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.remove(name, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, name) })
}

func (n *node) remove(name string, do func() syscall.Errno) syscall.Errno {
	op := Op{Kind: Remove, Path: n.at(name), name: name}
	return n.disk.change(&op, func() syscall.Errno {
		op.parent = n.disk.id(n.EmbeddedInode())
		return do()
	})
}

func (n *node) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.ENOTSUP
	}
	op := Op{Kind: Rename, Path: filepath.Join(to.EmbeddedInode().Path(n.Root()), newName), name: newName, fromName: name}
	return n.disk.change(&op, func() syscall.Errno {
		op.from, op.parent = n.disk.id(n.EmbeddedInode()), n.disk.id(to.EmbeddedInode())
		if child := n.GetChild(name); child != nil {
			op.node = n.disk.id(child)
		}
		return n.LoopbackNode.Rename(ctx, name, to, newName, flags)
	})
}

// Link implements fs.NodeLinker; nobody here has a use for it.
func (n *node) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.ENOTSUP
}

// CopyFileRange implements fs.NodeCopyFileRanger; refused, so that copies are writes.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f, ok := fh.(*file); ok {
		fh = f.whole
	}
	do := func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, fh, in, out) }
	size, ok := in.GetSize()
	if !ok {
		return do()
	}
	op := Op{Kind: Truncate, Path: n.at(""), At: int64(size)}
	return n.disk.change(&op, func() syscall.Errno {
		op.node = n.disk.id(n.EmbeddedInode())
		return do()
	})
}

func (n *node) Getattr(ctx context.Context, fh fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if f, ok := fh.(*file); ok {
		fh = f.whole
	}
	return n.LoopbackNode.Getattr(ctx, fh, out)
}

// Fsync implements fs.NodeFsyncer. What lies below needs no syncing: only the journal decides what survives.
func (n *node) Fsync(_ context.Context, fh fs.FileHandle, _ uint32) syscall.Errno {
	op := Op{Kind: Sync, Path: n.at(""), node: fh.(*file).node}
	return n.disk.change(&op, func() syscall.Errno { return 0 })
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &dir{fh.(list), n}, fuseFlags, 0
}

// list is all that an open directory of what lies below does here.
type list interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
}

// dir is an open one.
type dir struct {
	list
	node *node
}

func (d *dir) Fsyncdir(context.Context, uint32) syscall.Errno {
	op := Op{Kind: SyncDir, Path: d.node.at("")}
	return d.node.disk.change(&op, func() syscall.Errno {
		op.node = d.node.disk.id(d.node.EmbeddedInode())
		return 0
	})
}

// whole is all that an open file of what lies below does here. It hides its descriptor, or the kernel would write past us.
type whole interface {
	fs.FileReader
	fs.FileWriter
	fs.FileReleaser
	fs.FileFlusher
	fs.FileLseeker
	fs.FileAllocater
}

// file is an open one.
type file struct {
	whole
	disk *Disk
	node int
	path string
}

func (f *file) Write(ctx context.Context, data []byte, off int64) (n uint32, errno syscall.Errno) {
	op := Op{Kind: Write, Path: f.path, At: off, Data: data, node: f.node}
	errno = f.disk.change(&op, func() (errno syscall.Errno) {
		n, errno = f.whole.Write(ctx, data, off)
		return errno
	})
	return n, errno
}

// Allocate implements fs.FileAllocater; refused, so that what is written is all there is.
func (f *file) Allocate(context.Context, uint64, uint64, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}
