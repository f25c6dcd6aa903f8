package pattern

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 24, 20, 26, 58, 217_000_000, time.UTC)

// at is when picture i of a test is taken.
func at(i, fps int) time.Time { return start.Add(time.Duration(i) * time.Second / time.Duration(fps)) }

// ffmpeg runs the decoder, which must have nothing to complain about.
func ffmpeg(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is not installed; `make test` installs it")
	}
	cmd := exec.Command(path, append([]string{"-v", "error", "-xerror"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, stderr.String())
	}
	return stdout.Bytes()
}

// cropped returns the picture a decoder outputs, in the order of ffmpeg's yuv420p.
func (e *Encoder) cropped(m *image) []byte {
	var out []byte
	for i, p := range m.planes() {
		r := rect{0, 0, e.config.Width, e.config.Height}.in(i)
		for y := range r.y1 {
			out = append(out, p.pix[y*p.stride:y*p.stride+r.x1]...)
		}
	}
	return out
}

// A foreign decoder must see bit for bit what the encoder believes it sees, in key frames and in all that follow.
func TestDecodesExactly(t *testing.T) {
	for _, c := range []Config{
		{Name: "Front door"},
		{Width: 640, Height: 360, FPS: 10, GOP: 400 * time.Millisecond, Name: "Größe", Theme: 1},
		{Width: 1920, Height: 1080, FPS: 25, GOP: 400 * time.Millisecond, BitRate: 4_000_000, Theme: 2},
		{Width: 322, Height: 242, FPS: 5, GOP: 200 * time.Millisecond, Theme: 3},
		{Width: 96, Height: 96, FPS: 120, Name: "a very long name that cannot fit", Theme: -1},
		{Width: 96, Height: 1000, FPS: 1},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.Width, c.Height), func(t *testing.T) {
			e, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			var stream []byte
			var want [][]byte
			for i := range 12 {
				p := e.Next(at(i, e.config.FPS))
				stream = p.AnnexB(stream)
				want = append(want, e.cropped(&e.recon))
			}
			got := ffmpeg(t, stream, "-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
			size := len(want[0])
			if len(got) != size*len(want) {
				t.Fatalf("%d bytes decoded, want %d pictures of %d", len(got), len(want), size)
			}
			for i := range want {
				if !bytes.Equal(got[i*size:][:size], want[i]) {
					t.Fatalf("picture %d decodes differently", i)
				}
			}
		})
	}
}

// Pictures that no scene would draw reach every corner of the code tables.
func TestNoiseDecodesExactly(t *testing.T) {
	e, err := New(Config{Width: 176, Height: 144, GOP: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var stream, want []byte
	for i := range 40 {
		// Contrast grows from picture to picture; black and white at the end.
		for _, p := range e.canvas.planes() {
			for j := range p.pix {
				d := r.IntN(1+i*i/4) * (1 - 2*r.IntN(2))
				p.pix[j] = byte(min(max(128+d, 0), 255))
			}
		}
		for j := range e.touched {
			e.touched[j] = r.IntN(3) > 0
		}
		key := i%5 == 0
		e.slice(key, uint32(i%5))
		if key {
			for _, nal := range e.params {
				stream = append(append(stream, 0, 0, 0, 1), nal...)
			}
			stream = append(stream, 0, 0, 0, 1)
			stream = appendNAL(stream, 3, nalIDR, e.payload.buf)
		} else {
			stream = append(stream, 0, 0, 0, 1)
			stream = appendNAL(stream, 3, nalSlice, e.payload.buf)
		}
		want = append(want, e.cropped(&e.recon)...)
	}
	got := ffmpeg(t, stream, "-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	if !bytes.Equal(got, want) {
		t.Fatal("decodes differently")
	}
}

func TestLooksRight(t *testing.T) {
	e, err := New(Config{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		e.Next(at(i, 25))
		worst, have := 0, e.cropped(&e.recon)
		for j, v := range e.cropped(&e.canvas) {
			d := int(v) - int(have[j])
			worst = max(worst, d, -d)
		}
		if worst > 24 {
			t.Fatalf("picture %d is off by %d", i, worst)
		}
	}
}

func TestSizes(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		p := e.Next(at(i, 25))
		if p.Key != (i%50 == 0) {
			t.Fatalf("picture %d: key is %t", i, p.Key)
		}
		if limit := map[bool]int{true: 100_000, false: 16_000}[p.Key]; p.Size > limit {
			t.Errorf("picture %d has %d bytes, more than %d", i, p.Size, limit)
		}
	}
}

func TestBitRate(t *testing.T) {
	for _, rate := range []int{1_000_000, 4_000_000, 10_000_000} {
		e, err := New(Config{Width: 640, Height: 360, BitRate: rate})
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for i := range 100 {
			p := e.Next(at(i, 25))
			size += p.Size
		}
		if got := size * 8 / 4; got < rate*97/100 || got > rate*103/100 {
			t.Errorf("%d bit/s, want %d", got, rate)
		}
	}
}

// The same times give the same stream.
func TestStable(t *testing.T) {
	var streams [2][]byte
	for i := range streams {
		e, err := New(Config{Width: 640, Height: 360, BitRate: 2_000_000})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			p := e.Next(at(n, 25))
			streams[i] = p.AnnexB(streams[i])
		}
	}
	if !bytes.Equal(streams[0], streams[1]) {
		t.Error("two encoders differ")
	}
}

func TestSEI(t *testing.T) {
	e, err := New(Config{Width: 96, Height: 96})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 260 {
		p := e.Next(at(i, 25).Add(789 * time.Nanosecond))
		found := 0
		for _, nal := range p.NALs {
			if number, wall, ok := ParseSEI(nal); ok {
				found++
				if number != uint64(i) || !wall.Equal(p.Wall) || !wall.Equal(at(i, 25)) {
					t.Fatalf("picture %d says %d at %s", i, number, wall)
				}
			}
		}
		if found != 1 {
			t.Fatalf("picture %d has %d messages", i, found)
		}
	}
	if _, _, ok := ParseSEI(makeSEI(1<<63, time.Unix(0, 0))); !ok {
		t.Error("a message full of zeros is not found")
	}
	// Another message before ours, with a long type and a long size.
	other := append([]byte{nalSEI, 0xff, 1, 0xff, 0}, bytes.Repeat([]byte{7}, 255)...)
	other = append(other, makeSEI(5, start)[1:]...)
	if number, _, ok := ParseSEI(other); !ok || number != 5 {
		t.Error("a message behind another is not found")
	}
}

func FuzzParseSEI(f *testing.F) {
	f.Add(makeSEI(1, start))
	f.Add([]byte{6, 0xff, 0xff, 0xff})
	f.Add([]byte{6, 5, 32, 0, 0, 3, 0, 0, 3})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, nal []byte) {
		number, wall, ok := ParseSEI(nal)
		if !ok {
			return
		}
		if n, w, ok := ParseSEI(makeSEI(number, wall)); !ok || n != number || !w.Equal(wall) {
			t.Fatalf("%d at %s comes back as %d at %s, %t", number, wall, n, w, ok)
		}
	})
}

func TestStrip(t *testing.T) {
	for _, c := range []Config{{}, {Width: 1920, Height: 1080, BitRate: 4_000_000}} {
		e, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			p := e.Next(at(i, 25))
			read := func(cell int) uint64 {
				x, y, ok := StripCell(c, cell)
				if !ok {
					t.Fatal("no strip")
				}
				return uint64(e.recon.y.pix[y*e.recon.y.stride+x] >> 7)
			}
			if read(0) != 0 || read(1) != 1 {
				t.Fatal("marks are missing")
			}
			var number, ms uint64
			for b := range StripBits {
				number = number<<1 | read(2+b)
				ms = ms<<1 | read(2+StripBits+b)
			}
			if number != p.Number || ms != uint64(p.Wall.UnixMilli())&(1<<StripBits-1) {
				t.Fatalf("picture %d shows %d and %d ms", i, number, ms)
			}
		}
	}
	if _, _, ok := StripCell(Config{Width: 320, Height: 240}, 0); ok {
		t.Error("a strip where there is no room")
	}
}

// The code tables must be prefix codes, and leave nothing out but what the standard leaves out.
func TestCodes(t *testing.T) {
	for name, table := range map[string]string{
		"coeff 0": coeffTokens0, "coeff 2": coeffTokens2, "coeff 4": coeffTokens4, "coeff DC": coeffTokensDC,
	} {
		prefixFree(t, name, strings.Fields(table))
	}
	for name, table := range map[string]string{"zeros": totalZeros, "zeros DC": totalZerosDC, "run": runBefore} {
		for i, line := range strings.Split(table, "\n") {
			prefixFree(t, fmt.Sprint(name, i), strings.Fields(line))
		}
	}
}

func prefixFree(t *testing.T, name string, words []string) {
	sum := 0.0
	for i, a := range words {
		sum += 1 / float64(uint(1)<<len(a))
		for j, b := range words {
			if i != j && strings.HasPrefix(b, a) {
				t.Errorf("%s: %s starts %s", name, a, b)
			}
		}
	}
	if sum < .99 || sum > 1 {
		t.Errorf("%s: %v of the code space is used", name, sum)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []Config{
		{Width: 641, Height: 360}, {Width: 640, Height: 361}, {Width: 641, Height: 361}, {Width: 5000, Height: 100},
		{Width: 640}, {FPS: 200}, {FPS: -1}, {GOP: -1}, {BitRate: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestBeep(t *testing.T) {
	const rate = 8000
	whole := Beep(make([]byte, 2*rate), rate, start)
	// The same second in packets is the same sound.
	var packets []byte
	for i := 0; i < 2*rate; i += 160 {
		packets = append(packets, Beep(make([]byte, 160), rate, start.Add(time.Duration(i)*time.Second/rate))...)
	}
	if !bytes.Equal(whole, packets) {
		t.Error("packets do not join")
	}
	pcm := ffmpeg(t, whole, "-f", "alaw", "-ar", "8000", "-i", "-", "-f", "s16le", "-")
	loud := 0
	for i := 0; i+1 < len(pcm); i += 2 {
		v := int(int16(binary.LittleEndian.Uint16(pcm[i:])))
		_, ms := 0, (217+i/2*1000/rate)%1000
		if v > 1000 || v < -1000 {
			loud++
			if ms > 80 {
				t.Fatalf("a beep %d ms after the second", ms)
			}
		}
	}
	if loud < 500 {
		t.Errorf("%d loud samples in two seconds", loud)
	}
}

// go test -run Preview -preview=DIR is not needed for anything but looking: PATTERN_PREVIEW names a directory.
func TestPreview(t *testing.T) {
	dir := os.Getenv("PATTERN_PREVIEW")
	if dir == "" {
		t.Skip("PATTERN_PREVIEW is not set: nobody wants to look")
	}
	for theme := range themes {
		e, err := New(Config{Name: "Back garden", Theme: theme})
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for i := range 49 {
			p := e.Next(at(i, 25))
			stream = p.AnnexB(stream)
		}
		ffmpeg(t, stream, "-f", "h264", "-i", "-", "-vf", `select=eq(n\,48)`, "-frames:v", "1", "-y",
			filepath.Join(dir, fmt.Sprintf("theme%d.png", theme)))
	}
}

func benchmark(b *testing.B, c Config) {
	e, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	e.Next(at(0, 25))
	b.ReportAllocs()
	var keyTime, time1 time.Duration
	var keys, keyBytes, bytes1 int
	i := 0
	for b.Loop() {
		i++
		began := time.Now()
		p := e.Next(at(i, 25))
		if p.Key {
			keyTime += time.Since(began)
			keyBytes += p.Size
			keys++
		} else {
			time1 += time.Since(began)
			bytes1 += p.Size
		}
	}
	if keys > 0 && i > keys {
		b.ReportMetric(float64(keyTime.Microseconds())/float64(keys), "µs/key")
		b.ReportMetric(float64(keyBytes)/float64(keys), "B/key")
		b.ReportMetric(float64(time1.Microseconds())/float64(i-keys), "µs/P")
		b.ReportMetric(float64(bytes1)/float64(i-keys), "B/P")
	}
}

func BenchmarkPattern720(b *testing.B)  { benchmark(b, Config{Name: "Front door"}) }
func BenchmarkPattern1080(b *testing.B) { benchmark(b, Config{Width: 1920, Height: 1080}) }
func BenchmarkPattern1080At4Mbit(b *testing.B) {
	benchmark(b, Config{Width: 1920, Height: 1080, BitRate: 4_000_000})
}
