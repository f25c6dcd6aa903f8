package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cardea/store"
)

// bigStore fills a store with clips of a minute for 16 cameras, directly in SQL. CARDEA_BENCH_CLIPS sets how many (default
// 10,000,000), CARDEA_BENCH_DIR where; a directory that is there already is used again.
func bigStore(b *testing.B) (dir string, clips int) {
	b.Helper()
	clips = 10_000_000
	if text := os.Getenv("CARDEA_BENCH_CLIPS"); text != "" {
		clips = must[int](b)(strconv.Atoi(text))
	}
	dir = os.Getenv("CARDEA_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	} else if _, err := os.Stat(filepath.Join(dir, store.FileName)); err == nil {
		return dir, clips
	}
	db, err := store.Open(b.Context(), store.Config{Dir: dir})
	ok(b, err)
	h := furnish(b, db)
	for i := range 15 {
		must[store.Camera](b)(db.CreateCamera(b.Context(), store.NewCamera("Camera "+strconv.Itoa(i), "rtsp://192.0.2.9/main")))
	}
	h.record(b, noon.AddDate(30, 0, 0), 60) // makes the codec
	ok(b, db.Close())
	fill := must[*sql.DB](b)(sql.Open("sqlite3", filepath.Join(dir, store.FileName)+"?_synchronous=OFF"))
	// Recorded in the order of time, all cameras beside each other, as a real store is.
	_, err = fill.Exec(`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
		INSERT INTO clip (camera_no, start, id, "end", bytes, plain, header_bytes, init_bytes, sha256, state, cause, vault_no, codec_no)
		SELECT i % 16 + 1, ?2 + (i / 16) * 60000000, unhex(format('%012x%04x', (?2 + (i / 16) * 60000000) / 1000, i % 16) || hex(randomblob(8))),
			?2 + (i / 16 + 1) * 60000000, 30000000, 29990000, 2000, 900, randomblob(32), 1, 0, 1, 1 FROM n`, clips, noon.UnixMicro())
	ok(b, err)
	_, err = fill.Exec(`INSERT INTO gap (camera_no, start, "end", reason) SELECT camera_no, start, start + 1000000, 'offline' FROM clip WHERE start / 60000000 % 600 = 0`)
	ok(b, err)
	ok(b, fill.Close())
	return dir, clips
}

// percentile reports p50 and p99 of took in milliseconds.
func percentile(b *testing.B, took []time.Duration, what string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-"+what)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-"+what)
}

// threadTime is the CPU time of this thread, which a busy machine does not stretch.
func threadTime(b *testing.B) time.Duration {
	var at unix.Timespec
	ok(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at))
	return time.Duration(at.Nano())
}

// BenchmarkTimelineDay asks for a day of a camera in a big store. Bar: p99 ≤ 3 ms over 10 million clips.
func BenchmarkTimelineDay(b *testing.B) {
	dir, clips := bigStore(b)
	db, err := store.Open(b.Context(), store.Config{Dir: dir})
	ok(b, err)
	defer db.Close()
	cameras := must[[]store.Camera](b)(db.Cameras(b.Context()))
	days := max(1, clips/16/1440)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var took, busy []time.Duration
	for i := 0; b.Loop(); i++ {
		from := noon.AddDate(0, 0, i*7919%days).Add(time.Duration(i%1440) * time.Minute / 2)
		begin, beginBusy := time.Now(), threadTime(b)
		line, err := db.Timeline(b.Context(), cameras[i%len(cameras)].ID, from, from.Add(24*time.Hour), time.Minute)
		took, busy = append(took, time.Since(begin)), append(busy, threadTime(b)-beginBusy)
		if err != nil || len(line.Spans) == 0 || len(line.Gaps) == 0 {
			b.Fatalf("timeline has %d spans, %d gaps, %v", len(line.Spans), len(line.Gaps), err)
		}
	}
	percentile(b, took, "ms")
	percentile(b, busy, "cpu-ms")
}

// BenchmarkOpen starts on a big store. Bar: ≤ 1 s to the first recorded frame with 1,000,000 clips, all included.
func BenchmarkOpen(b *testing.B) {
	dir, _ := bigStore(b)
	for b.Loop() {
		db, err := store.Open(b.Context(), store.Config{Dir: dir})
		ok(b, err)
		must[[]store.Clip](b)(db.OpenClips(b.Context()))
		must[[]store.Usage](b)(db.Usage(b.Context()))
		ok(b, db.Close())
	}
}

// BenchmarkRetention finds and deletes the 10 oldest clips of a big store.
func BenchmarkRetention(b *testing.B) {
	dir, _ := bigStore(b)
	db, err := store.Open(b.Context(), store.Config{Dir: dir})
	ok(b, err)
	defer db.Close()
	for b.Loop() {
		var ids []store.ID
		for _, clip := range must[[]store.Clip](b)(db.Oldest(b.Context(), store.OldestQuery{Limit: 10})) {
			ids = append(ids, clip.ID)
		}
		_, _, err := db.DeleteClips(b.Context(), ids, "space")
		ok(b, err)
	}
}

// BenchmarkAppendParts commits one part of each of 4 cameras, as a slot of the recorder's ticker does with 32 cameras.
func BenchmarkAppendParts(b *testing.B) {
	h := newHouse(b)
	batch := make([]store.ClipParts, 4)
	n := 0
	b.ReportAllocs()
	var before, after syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	for b.Loop() {
		if n%60 == 0 {
			for i := range batch {
				batch[i].Clip = h.begin(b, noon.Add(time.Duration(n)*time.Minute+time.Duration(i)*time.Second)).ID
			}
		}
		for i := range batch {
			id := batch[i].Clip
			batch[i] = seconds(noon, n%60, 1)
			batch[i].Clip = id
		}
		ok(b, h.AppendParts(b.Context(), batch))
		n++
	}
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	spent := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(spent.Microseconds())/float64(n), "cpu-µs/op")
}
