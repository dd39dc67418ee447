package differential

import "regexp"

// accepted are the differences that are right as they are. Each says why; the shorter this list, the better.
var accepted = []acceptedDifference{}

func accept(why, where, kafka, gokafka string) acceptedDifference {
	a := acceptedDifference{why: why, where: regexp.MustCompile("^" + where + "$")}
	if kafka != "" {
		a.kafka = regexp.MustCompile("^(?:" + kafka + ")$")
	}
	if gokafka != "" {
		a.gokafka = regexp.MustCompile("^(?:" + gokafka + ")$")
	}
	return a
}

func (a acceptedDifference) onlySometimes() acceptedDifference {
	a.sometimes = true
	return a
}
