package store

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestNetworkFilesystem(t *testing.T) {
	t.Parallel()
	for magic, refused := range map[int64]bool{
		unix.NFS_SUPER_MAGIC: true, unix.SMB_SUPER_MAGIC: true, unix.SMB2_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true,
		int64(int32(-11317950)): true, // 0xff534d42 where the kernel's word has 32 bits and a sign
		unix.EXT4_SUPER_MAGIC:   false, unix.BTRFS_SUPER_MAGIC: false, unix.XFS_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false, unix.OVERLAYFS_SUPER_MAGIC: false,
	} {
		if name := networkFilesystem(magic); (name != "") != refused {
			t.Errorf("%x is called %q", magic, name)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"/var/lib/cardea": "/var/lib/cardea", "/my data": "'/my data'", "/it's": `'/it'\''s'`, "/$(x)": "'/$(x)'"} {
		if got := quote(in); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
}
