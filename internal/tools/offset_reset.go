package tools

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// offsetReset is the options of --reset-offsets and what they ask for. Options that a tool does not have are nil.
type offsetReset struct {
	c                                                        *command
	group, topics                                            *jopt.Option
	toOffset, shiftBy, toDatetime, byDuration, fromFile      *jopt.Option
	toEarliest, toLatest, toCurrent, dryRun, execute, export *jopt.Option
}

// acceptTimes adds the scenarios that every tool has which resets offsets.
func (r *offsetReset) acceptTimes() {
	r.toDatetime = r.c.Accepts("to-datetime", "Go to the offsets at a time: 'YYYY-MM-DDThh:mm:ss.sss'.").WithRequiredArg("datetime")
	r.toEarliest = r.c.Accepts("to-earliest", "Go to the earliest offsets.")
	r.toLatest = r.c.Accepts("to-latest", "Go to the latest offsets.")
}

// acceptPlaces adds the scenarios of groups that commit offsets themselves.
func (r *offsetReset) acceptPlaces() {
	r.export = r.c.Accepts("export", "Print the offsets as CSV.")
	r.toOffset = r.c.Accepts("to-offset", "Go to this offset.").WithRequiredArg("offset").OfType(jopt.Long)
	r.fromFile = r.c.Accepts("from-file", "Go to the offsets in a CSV file, as --export writes it.").WithRequiredArg("path to CSV file")
	r.byDuration = r.c.Accepts("by-duration", "Go to the offsets of so long ago: 'PnDTnHnMnS'.").WithRequiredArg("duration")
	r.toCurrent = r.c.Accepts("to-current", "Stay at the committed offsets; where there are none, go to the latest.")
	r.shiftBy = r.c.Accepts("shift-by", "Move the committed offsets by n, which may be negative.").WithRequiredArg("number-of-offsets").OfType(jopt.Long)
}

// scenarios are the options of which one must be given.
func (r *offsetReset) scenarios() []*jopt.Option {
	var all []*jopt.Option
	for _, o := range []*jopt.Option{r.toOffset, r.shiftBy, r.toDatetime, r.byDuration, r.toEarliest, r.toLatest, r.toCurrent, r.fromFile} {
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

// check refuses command lines with two scenarios.
func (r *offsetReset) check() error {
	for _, o := range r.scenarios() {
		if err := r.c.excludes(o, without(r.scenarios(), o)...); err != nil {
			return err
		}
	}
	return nil
}

func (r *offsetReset) has(o *jopt.Option) bool { return o != nil && r.c.Has(o) }

// partitions are those that --topic names: whole topics, or "topic:0,1".
func (r *offsetReset) partitions(ctx context.Context, cl *kgo.Client) ([]topicPartition, error) {
	var all []topicPartition
	var whole []string
	for _, arg := range r.c.Values(r.topics) {
		if !strings.Contains(arg, ":") {
			whole = append(whole, arg)
			continue
		}
		named, err := parsePartitions(arg)
		if err != nil {
			return nil, err
		}
		all = append(all, named...)
	}
	leaders, err := partitionLeaders(ctx, cl, whole)
	if err != nil {
		return nil, err
	}
	return append(all, sortedPartitions(leaders)...), nil
}

// parsePartitions reads "topic:0,1".
func parsePartitions(arg string) ([]topicPartition, error) {
	topic, numbers, _ := strings.Cut(arg, ":")
	if numbers == "" || strings.Contains(numbers, ":") {
		return nil, usagef("Invalid topic arg '%s', expected topic name and partitions", arg)
	}
	var all []topicPartition
	for text := range strings.SplitSeq(numbers, ",") {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, usagef("Invalid partition '%s' specified in topic arg '%s''", text, arg)
		}
		all = append(all, topicPartition{topic, int32(n)})
	}
	return all, nil
}

// offsets are where a group would go.
func (r *offsetReset) offsets(ctx context.Context, cl *kgo.Client, group string, partitions []topicPartition) (map[topicPartition]int64, error) {
	if err := checkPartitions(ctx, cl, partitions); err != nil {
		return nil, err
	}
	switch {
	case r.has(r.toOffset):
		wanted := map[topicPartition]int64{}
		for _, tp := range partitions {
			wanted[tp] = r.c.Int64(r.toOffset)
		}
		return r.withinLogs(ctx, cl, wanted)
	case r.has(r.toEarliest):
		return listOffsets(ctx, cl, partitions, earliestOffset)
	case r.has(r.toLatest):
		return listOffsets(ctx, cl, partitions, latestOffset)
	case r.has(r.shiftBy):
		return r.shifted(ctx, cl, group, partitions)
	case r.has(r.toDatetime):
		t, err := parseDatetime(r.c.Value(r.toDatetime))
		if err != nil {
			return nil, err
		}
		return r.atTime(ctx, cl, partitions, t)
	case r.has(r.byDuration):
		d, err := parseJavaDuration(r.c.Value(r.byDuration))
		if err != nil {
			return nil, err
		}
		return r.atTime(ctx, cl, partitions, r.c.env.Now().Add(-d))
	case r.has(r.fromFile):
		return r.planned(ctx, cl, group)
	case r.has(r.toCurrent):
		return currentOffsets(ctx, cl, group, partitions)
	}
	return nil, usagef("Option '[reset-offsets]' requires one of the following scenarios: [%s]", optionList(r.scenarios()...))
}

// checkPartitions refuses partitions that there are not, and those without a leader.
func checkPartitions(ctx context.Context, cl *kgo.Client, partitions []topicPartition) error {
	topics, _ := byTopic(partitions)
	leaders, err := partitionLeaders(ctx, cl, topics)
	if err != nil {
		return throwsRuntime(err)
	}
	var absent, leaderless []string
	for _, tp := range partitions {
		leader, ok := leaders[tp]
		switch {
		case !ok:
			absent = append(absent, tp.String())
		case leader < 0:
			leaderless = append(leaderless, tp.String())
		}
	}
	if len(absent) > 0 {
		return exception{kafkaErrors + "UnknownTopicOrPartitionException", `The partitions "` + strings.Join(absent, ",") + `" do not exist`}
	}
	if len(leaderless) > 0 {
		return exception{kafkaErrors + "LeaderNotAvailableException", `The partitions "` + strings.Join(leaderless, ",") + `" have no leader`}
	}
	return nil
}

// withinLogs moves offsets that the logs do not reach to their nearer end, with a warning.
func (r *offsetReset) withinLogs(ctx context.Context, cl *kgo.Client, wanted map[topicPartition]int64) (map[topicPartition]int64, error) {
	partitions := sortedPartitions(wanted)
	first, err := listOffsets(ctx, cl, partitions, earliestOffset)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	end, err := listOffsets(ctx, cl, partitions, latestOffset)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	warn := func(offset int64, tp topicPartition, what string, bound int64) int64 {
		r.c.env.errorf("%s WARN New offset (%d) is %s offset for topic partition %s. Value will be set to %d (org.apache.kafka.tools.OffsetsUtils)\n",
			r.c.env.stamp(), offset, what, tp, bound)
		return bound
	}
	for _, tp := range partitions {
		switch offset := wanted[tp]; {
		case offset > end[tp]:
			wanted[tp] = warn(offset, tp, "higher than latest", end[tp])
		case offset < first[tp]:
			wanted[tp] = warn(offset, tp, "lower than earliest", first[tp])
		}
	}
	return wanted, nil
}

func (r *offsetReset) shifted(ctx context.Context, cl *kgo.Client, group string, partitions []topicPartition) (map[topicPartition]int64, error) {
	current, err := committedOffsets(ctx, cl, group)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	wanted := map[topicPartition]int64{}
	for _, tp := range partitions {
		c, ok := current[tp]
		if !ok {
			return nil, usagef("Cannot shift offset for partition %s since there is no current committed offset", tp)
		}
		wanted[tp] = c.offset + r.c.Int64(r.shiftBy)
	}
	return r.withinLogs(ctx, cl, wanted)
}

// atTime finds the offsets of the first records at or after a time, and the ends of partitions that have none.
func (r *offsetReset) atTime(ctx context.Context, cl *kgo.Client, partitions []topicPartition, t time.Time) (map[topicPartition]int64, error) {
	found, err := listOffsets(ctx, cl, partitions, t.UnixMilli())
	if err != nil {
		return nil, throwsRuntime(err)
	}
	var empty []topicPartition
	for _, tp := range partitions {
		if found[tp] < 0 {
			empty = append(empty, tp)
			r.c.env.printf("\nWarn: Partition %d from topic %s is empty. Falling back to latest known offset.\n", tp.partition, tp.topic)
		}
	}
	ends, err := listOffsets(ctx, cl, empty, latestOffset)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	for tp, end := range ends {
		found[tp] = end
	}
	return found, nil
}

// planned are the offsets that a file of --from-file has for a group.
func (r *offsetReset) planned(ctx context.Context, cl *kgo.Client, group string) (map[topicPartition]int64, error) {
	text, err := os.ReadFile(r.c.Value(r.fromFile))
	if err != nil {
		return nil, exception{"java.lang.RuntimeException", err.Error()}
	}
	plans, err := parsePlan(string(text), r.groups())
	if err != nil {
		return nil, err
	}
	plan, ok := plans[group]
	if !ok {
		r.c.env.printf("\nError: No reset plan for group %s found\n", group)
		return nil, nil
	}
	return r.withinLogs(ctx, cl, plan)
}

// groups are those that the command line names.
func (r *offsetReset) groups() []string { return r.c.Values(r.group) }

// parsePlan reads lines of "topic,partition,offset", or with a group in front: of the only group, or of several.
func parsePlan(text string, groups []string) (map[string]map[topicPartition]int64, error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = true
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, exception{"java.lang.RuntimeException", err.Error()}
	}
	plans := map[string]map[topicPartition]int64{}
	for _, row := range rows {
		switch {
		case len(row) == 4:
		case len(row) == 3 && len(groups) == 1:
			row = append([]string{groups[0]}, row...)
		default:
			return nil, exception{"java.lang.RuntimeException", fmt.Sprintf("the line %q is not group,topic,partition,offset", strings.Join(row, ","))}
		}
		partition, err := strconv.ParseInt(strings.TrimSpace(row[2]), 10, 32)
		if err != nil {
			return nil, exception{"java.lang.RuntimeException", fmt.Sprintf("%q is not a partition", row[2])}
		}
		offset, err := strconv.ParseInt(strings.TrimSpace(row[3]), 10, 64)
		if err != nil {
			return nil, exception{"java.lang.RuntimeException", fmt.Sprintf("%q is not an offset", row[3])}
		}
		if plans[row[0]] == nil {
			plans[row[0]] = map[topicPartition]int64{}
		}
		plans[row[0]][topicPartition{row[1], int32(partition)}] = offset
	}
	return plans, nil
}

func currentOffsets(ctx context.Context, cl *kgo.Client, group string, partitions []topicPartition) (map[topicPartition]int64, error) {
	current, err := committedOffsets(ctx, cl, group)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	all := map[topicPartition]int64{}
	var without []topicPartition
	for _, tp := range partitions {
		if c, ok := current[tp]; ok {
			all[tp] = c.offset
		} else {
			without = append(without, tp)
		}
	}
	ends, err := listOffsets(ctx, cl, without, latestOffset)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	for tp, end := range ends {
		all[tp] = end
	}
	return all, nil
}

// print shows where groups go.
func (r *offsetReset) print(plans map[string]map[topicPartition]int64, groups []string) {
	groupWidth, topicWidth := 15, 15
	for group, plan := range plans {
		groupWidth = max(groupWidth, len(group))
		for tp := range plan {
			topicWidth = max(topicWidth, len(tp.topic))
		}
	}
	row := func(group, topic, partition, offset string) {
		r.c.env.printf("\n%-*s %-*s %-10s %s", groupWidth, group, topicWidth, topic, partition, offset)
	}
	if len(plans) > 0 {
		row("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")
	}
	for _, group := range groups {
		for _, tp := range sortedPartitions(plans[group]) {
			row(group, tp.topic, strconv.Itoa(int(tp.partition)), strconv.FormatInt(plans[group][tp], 10))
		}
	}
	r.c.env.println()
}

// printCSV writes where groups go as --from-file reads it; the groups' names only when there are several.
func (r *offsetReset) printCSV(plans map[string]map[topicPartition]int64, groups []string) {
	var b strings.Builder
	for _, group := range groups {
		for _, tp := range sortedPartitions(plans[group]) {
			if len(r.groups()) != 1 {
				b.WriteString(csvField(group) + ",")
			}
			fmt.Fprintf(&b, "%s,%d,%d\n", csvField(tp.topic), tp.partition, plans[group][tp])
		}
	}
	r.c.env.println(b.String())
}

// csvField quotes a field where Kafka's library does: when it is long or has characters that might need it.
func csvField(s string) string {
	if len(s) > 24 || strings.ContainsFunc(s, func(c rune) bool { return c <= ',' }) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// parseDatetime reads the argument of --to-datetime. Without a zone it is UTC. What follows the dot counts milliseconds: ".5" is five of them.
func parseDatetime(text string) (time.Time, error) {
	unparseable := exception{"java.lang.RuntimeException", `java.text.ParseException: Unparseable date: "` + text + `"`}
	_, clock, ok := strings.Cut(text, "T")
	if !ok {
		unparseable.message = "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
		return time.Time{}, unparseable
	}
	if !strings.ContainsAny(clock, "+-Z") {
		text += "Z"
		unparseable.message = `java.text.ParseException: Unparseable date: "` + text + `"`
	}
	m := datetimePattern.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, unparseable
	}
	t, err := time.Parse("2006-1-2T15:4:5", m[1])
	if err != nil {
		return time.Time{}, unparseable
	}
	millis, _ := strconv.Atoi(m[2]) // digits only
	t = t.Add(time.Duration(millis) * time.Millisecond)
	if zone := m[3]; zone != "Z" {
		digits := strings.ReplaceAll(zone[1:], ":", "") + "00"
		hours, _ := strconv.Atoi(digits[:2])
		minutes, _ := strconv.Atoi(digits[2:4])
		offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if zone[0] == '+' {
			offset = -offset
		}
		t = t.Add(offset)
	}
	return t, nil
}

// What SimpleDateFormat's yyyy-MM-dd'T'HH:mm:ss.SSSXXX and …X take.
var datetimePattern = regexp.MustCompile(`^(\d{1,4}-\d{1,2}-\d{1,2}T\d{1,2}:\d{1,2}:\d{1,2})\.(\d{1,9})(Z|[+-]\d{2}(?::?\d{2})?)`)

var javaDuration = regexp.MustCompile(`(?i)^([-+]?)P(?:([-+]?[0-9]+)D)?(T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?[0-9]+)(?:[.,]([0-9]{0,9}))?S)?)?$`)

// parseJavaDuration reads "P1DT2H3M4.5S" as java.time.Duration does.
func parseJavaDuration(text string) (time.Duration, error) {
	m := javaDuration.FindStringSubmatch(text)
	if m == nil || strings.EqualFold(m[3], "T") || m[2] == "" && m[3] == "" {
		return 0, exception{"java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration"}
	}
	var total time.Duration
	for i, unit := range map[int]time.Duration{2: 24 * time.Hour, 4: time.Hour, 5: time.Minute, 6: time.Second} {
		n, _ := strconv.ParseInt(m[i], 10, 64) // "" is 0
		total += time.Duration(n) * unit
	}
	if m[7] != "" {
		nanos, _ := strconv.ParseInt((m[7] + "000000000")[:9], 10, 64)
		if strings.HasPrefix(m[6], "-") {
			nanos = -nanos
		}
		total += time.Duration(nanos)
	}
	if m[1] == "-" {
		total = -total
	}
	return total, nil
}
