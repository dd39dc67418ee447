package differential

import (
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// line is one value of an answer: "Topics[0].ErrorCode" and how it reads.
type line struct{ path, value string }

// masked fields hold values that no two clusters share; only their presence is compared. The reasons:
// Port, ClusterID, LogDir belong to the installation; TotalBytes, UsableBytes to the machine; the rest are
// times of the broker's clock.
var masked = map[string]bool{
	"Port": true, "ClusterID": true, "TotalBytes": true, "UsableBytes": true,
	"LastTimestamp": true, "LastFetchTimestamp": true, "LastCaughtUpTimestamp": true,
	"LogAppendTime": true,
}

// symbolic fields hold ids that the broker makes up. Equal ids get equal symbols, in order of appearance, so
// that "the same id again" is still compared.
var symbolic = map[string]string{
	"TopicID": "topic", "MemberID": "member", "ProducerID": "producer", "DirectoryID": "directory",
	"ReplicaDirectoryID": "directory", "OfflineReplicaDirs": "directory", "SessionID": "session",
}

// clock finds times of the broker's clock inside texts.
var clock = regexp.MustCompile(`\b1[0-9]{12}\b`)

// unordered lists carry no order in Kafka (it fills them from hash maps, or shuffles them); they are sorted
// before comparison. Keyed by the response's type and the field.
var unordered = map[string]bool{
	"CreateTopicsResponse.Topics":                            true,
	"CreateTopicsResponseTopic.Configs":                      true,
	"DeleteTopicsResponse.Topics":                            true,
	"CreatePartitionsResponse.Topics":                        true,
	"DescribeConfigsResponseResource.Configs":                true,
	"AlterConfigsResponse.Resources":                         true,
	"MetadataResponse.Topics":                                true,
	"DescribeLogDirsResponseDir.Topics":                      true,
	"DescribeLogDirsResponseDirTopic.Partitions":             true,
	"ListGroupsResponse.Groups":                              true,
	"OffsetFetchResponse.Topics":                             true,
	"OffsetFetchResponseTopic.Partitions":                    true,
	"OffsetFetchResponseGroup.Topics":                        true,
	"OffsetFetchResponseGroupTopic.Partitions":               true,
	"DeleteRecordsResponse.Topics":                           true,
	"DeleteRecordsResponseTopic.Partitions":                  true,
	"ProduceResponse.Topics":                                 true,
	"ListOffsetsResponse.Topics":                             true,
	"ElectLeadersResponse.Topics":                            true,
	"ElectLeadersResponseTopic.Partitions":                   true,
	"ListConfigResourcesResponse.ConfigResources":            true,
	"AlterPartitionAssignmentsResponse.Topics":               true,
	"ListPartitionReassignmentsResponse.Topics":              true,
	"JoinGroupResponse.Members":                              true,
	"DescribeGroupsResponseGroup.Members":                    true,
	"DeleteGroupsResponse.Groups":                            true,
	"ApiVersionsResponse.ApiKeys":                            true,
	"ApiVersionsResponse.SupportedFeatures":                  true,
	"ApiVersionsResponse.FinalizedFeatures":                  true,
	"UpdateFeaturesResponse.Results":                         true,
	"OffsetForLeaderEpochResponse.Topics":                    true,
	"OffsetForLeaderEpochResponseTopic.Partitions":           true,
	"ListOffsetsResponseTopic.Partitions":                    true,
	"ProduceResponseTopic.Partitions":                        true,
	"DescribeClientQuotasResponse.Entries":                   true,
	"AlterUserSCRAMCredentialsResponse.Results":              true,
	"AlterPartitionAssignmentsResponseTopic.Partitions":      true,
	"ListPartitionReassignmentsResponseTopic.Partitions":     true,
	"DescribeUserSCRAMCredentialsResponse.Results":           true,
	"DescribeUserSCRAMCredentialsResponseResult.Credentials": true,
}

// symbols gives stable names to a broker's made-up ids.
type symbols struct {
	names map[string]string
	count map[string]int
	scrub []string // pairs old, new: texts of the installation (port, directory)
}

func newSymbols(scrub ...string) *symbols {
	return &symbols{names: map[string]string{}, count: map[string]int{}, scrub: scrub}
}

func (s *symbols) name(kind, raw string) string {
	if n, ok := s.names[raw]; ok {
		return n
	}
	s.count[kind]++
	n := fmt.Sprintf("<%s %02d>", kind, s.count[kind])
	s.names[raw] = n
	return n
}

// text replaces what belongs to this installation, and ids seen before, inside a longer text.
func (s *symbols) text(v string) string {
	for raw, n := range s.names {
		if len(raw) >= 16 {
			v = strings.ReplaceAll(v, raw, n)
		}
	}
	for i := 0; i+1 < len(s.scrub); i += 2 {
		if s.scrub[i] != "" {
			v = strings.ReplaceAll(v, s.scrub[i], s.scrub[i+1])
		}
	}
	return clock.ReplaceAllString(v, "<time>")
}

// flatten turns a response into its lines.
func (s *symbols) flatten(v any) []line {
	var out []line
	s.walk(&out, "", "", reflect.ValueOf(v).Elem())
	return out
}

func (s *symbols) walk(out *[]line, path, field string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			*out = append(*out, line{path, "null"})
			return
		}
		s.walk(out, path, field, v.Elem())
	case reflect.Struct:
		s.walkStruct(out, path, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			*out = append(*out, line{path, s.bytes(v)})
			return
		}
		s.walkSlice(out, path, field, v, false)
	default:
		*out = append(*out, line{path, s.scalar(field, v)})
	}
}

func (s *symbols) walkStruct(out *[]line, path string, v reflect.Value) {
	t := v.Type()
	if t.Name() == "Tags" { // unknown tagged fields: none is expected, so any is shown
		if n := v.Addr().MethodByName("Len").Call(nil)[0].Int(); n != 0 {
			*out = append(*out, line{path, fmt.Sprintf("%d unknown tags", n)})
		}
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "Version" && path == "" {
			continue
		}
		p := f.Name
		if path != "" {
			p = path + "." + f.Name
		}
		if fv := v.Field(i); fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() != reflect.Uint8 {
			s.walkSlice(out, p, f.Name, fv, unordered[t.Name()+"."+f.Name])
		} else {
			s.walk(out, p, f.Name, fv)
		}
	}
}

// walkSlice numbers the elements; those of an unordered list are sorted by how they read.
func (s *symbols) walkSlice(out *[]line, path, field string, v reflect.Value, sorted bool) {
	if v.IsNil() {
		*out = append(*out, line{path, "null or empty"})
		return
	}
	if v.Len() == 0 {
		*out = append(*out, line{path, "null or empty"})
		return
	}
	elems := make([]reflect.Value, v.Len())
	for i := range elems {
		elems[i] = v.Index(i)
	}
	if sorted {
		sort.SliceStable(elems, func(i, j int) bool { return s.sortKey(elems[i]) < s.sortKey(elems[j]) })
	}
	*out = append(*out, line{path + ".length", strconv.Itoa(v.Len())})
	for i, e := range elems {
		s.walk(out, fmt.Sprintf("%s[%s]", path, s.elemName(e, i)), field, e)
	}
}

// elemName names a list's element by what identifies it, so that one missing element does not shift the
// rest of the comparison.
func (s *symbols) elemName(e reflect.Value, i int) string {
	if e.Kind() != reflect.Struct {
		return strconv.Itoa(i)
	}
	if name, id := e.FieldByName("Topic"), e.FieldByName("TopicID"); id.IsValid() && !id.IsZero() && name.IsValid() && name.IsZero() {
		return s.name("topic", fmt.Sprint(id.Interface())) // versions that name topics by id
	}
	for _, f := range []string{"Topic", "Name", "ApiKey", "Partition", "Group"} {
		if fv := e.FieldByName(f); fv.IsValid() {
			switch fv.Kind() {
			case reflect.String:
				if fv.String() != "" {
					return fv.String()
				}
			case reflect.Pointer:
				if !fv.IsNil() && fv.Elem().Kind() == reflect.String {
					return fv.Elem().String()
				}
			case reflect.Int16, reflect.Int32:
				return strconv.FormatInt(fv.Int(), 10)
			}
		}
	}
	return strconv.Itoa(i)
}

// sortKey is the element's plain fields as text; made-up ids by their names, those not seen yet last.
func (s *symbols) sortKey(e reflect.Value) string {
	if e.Kind() != reflect.Struct {
		return fmt.Sprint(e.Interface())
	}
	var b strings.Builder
	for i := range e.NumField() {
		f := e.Type().Field(i)
		if !f.IsExported() || masked[f.Name] {
			continue
		}
		if symbolic[f.Name] != "" {
			if n, ok := s.names[fmt.Sprint(e.Field(i).Interface())]; ok {
				fmt.Fprintf(&b, "%s|", n)
			} else {
				b.WriteString("~|")
			}
			continue
		}
		switch fv := e.Field(i); fv.Kind() {
		case reflect.String:
			b.WriteString(fv.String())
		case reflect.Pointer:
			if !fv.IsNil() && fv.Elem().Kind() == reflect.String {
				b.WriteString(fv.Elem().String())
			}
		case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			fmt.Fprintf(&b, "%020d", fv.Int())
		}
		b.WriteByte('|')
	}
	return b.String()
}

func (s *symbols) scalar(field string, v reflect.Value) string {
	if kind := symbolic[field]; kind != "" || field == "LeaderID" && v.Kind() == reflect.String {
		if kind == "" {
			kind = "member"
		}
		raw := fmt.Sprint(v.Interface())
		switch {
		case v.IsZero() && field != "ProducerID":
			return "zero"
		case raw == "-1":
			return raw
		}
		return s.name(kind, raw)
	}
	switch v.Kind() {
	case reflect.String:
		if masked[field] && v.String() != "" {
			return "<masked>"
		}
		return strconv.Quote(s.text(v.String()))
	case reflect.Int32, reflect.Int64:
		if masked[field] && v.Int() > 0 {
			return "<masked>"
		}
	case reflect.Uint16:
		if masked[field] && v.Uint() > 0 {
			return "<masked>"
		}
	}
	return fmt.Sprint(v.Interface())
}

func (s *symbols) bytes(v reflect.Value) string {
	if v.IsNil() {
		return "null or empty"
	}
	b := v.Bytes()
	switch {
	case len(b) == 0:
		return "null or empty"
	case len(b) > 4096:
		return fmt.Sprintf("%d bytes", len(b))
	}
	return s.text(strconv.QuoteToASCII(string(b)))
}
