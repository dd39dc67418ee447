package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress draws a bar on a terminal while something takes long, and nothing anywhere else. Only one goroutine may use it.
type progress struct {
	w     io.Writer // nil: nobody looks
	what  string
	total int64 // 0: not known
	bytes bool  // the numbers are bytes
	began time.Time
	drawn time.Time
}

// progressPatience is how long work may take before a bar is worth drawing, and between two looks.
const (
	progressPatience = 400 * time.Millisecond
	progressInterval = 100 * time.Millisecond
)

func newProgress(w io.Writer, what string, total int64) *progress {
	p := &progress{what: what, total: total, began: time.Now()}
	if isTerminal(w) {
		p.w = w
	}
	return p
}

// at draws how far the work is.
func (p *progress) at(done int64) {
	now := time.Now()
	if p.w == nil || now.Sub(p.began) < progressPatience || now.Sub(p.drawn) < progressInterval {
		return
	}
	p.drawn = now
	fmt.Fprint(p.w, "\r\x1b[K"+p.line(done, now.Sub(p.began)))
}

func (p *progress) line(done int64, took time.Duration) string {
	amount := func(n int64) string {
		if p.bytes {
			return byteCount(n)
		}
		return fmt.Sprint(n)
	}
	rate := amount(int64(float64(done)/took.Seconds())) + "/s"
	if p.total <= 0 {
		return fmt.Sprintf("%s  %s  %s", p.what, amount(done), rate)
	}
	const width = 30
	full := int(min(done, p.total) * width / p.total)
	line := fmt.Sprintf("%s  [%s%s] %3d%%  %s of %s  %s", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full),
		min(done, p.total)*100/p.total, amount(done), amount(p.total), rate)
	if done > 0 && done < p.total {
		line += "  " + (time.Duration(float64(took) * float64(p.total-done) / float64(done))).Round(time.Second).String() + " left"
	}
	return line
}

// end takes the bar away.
func (p *progress) end() {
	if p.w != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
