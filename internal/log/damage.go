package log

import "errors"

// AfterDamage returns the offset of the first whole batch behind damage in a log
// file, the log end when there is none. A reader that must go on, and may leave out
// what is damaged, goes on there. minOffset is the offset that it had come to.
func (l *Log) AfterDamage(damage *CorruptionError, minOffset int64) (offset int64, err error) {
	v := l.view.Load()
	for i := v.floor(minOffset); i < len(v.segments); i++ {
		s, from := v.segments[i], int64(0)
		if s.path(extLog) == damage.File {
			from = damage.Position + 1
		} else if v.endOf(i) <= minOffset {
			continue
		}
		offset, ok, err := s.firstBatch(from, v.sizeOf(i), minOffset)
		if err != nil || ok {
			return offset, err
		}
	}
	return v.end, nil
}

// firstBatch returns the offset of the first whole batch in [from, size) with a base
// offset from minOffset on.
func (s *segment) firstBatch(from, size, minOffset int64) (offset int64, ok bool, err error) {
	if from >= size {
		return 0, false, nil
	}
	h, err := s.open()
	if err != nil {
		return 0, false, storageError("open "+s.path(extLog), err)
	}
	defer h.release()
	at, ok, err := findBatch(h, s.path(extLog), from, size, minOffset)
	if err != nil || !ok {
		return 0, false, err
	}
	_, err = eachHeader(h, s.path(extLog), at, size, func(b header) bool {
		offset = b.BaseOffset()
		return false
	})
	return offset, true, err
}

// IsDamage returns what is damaged, if that is what err tells.
func IsDamage(err error) (*CorruptionError, bool) {
	var damage *CorruptionError
	ok := errors.As(err, &damage)
	return damage, ok
}
