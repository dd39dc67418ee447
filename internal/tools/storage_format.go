package tools

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/tools/argparse"
	"github.com/gokafka/gokafka/internal/vfs"
)

// formatter is one run of kafka-storage format.
type formatter struct {
	file            serverFile
	nodeID          int32
	clusterID       string
	ignoreFormatted bool
	release         int16            // metadata.version
	levels          map[string]int16 // of all features
	dynamic         bool             // the voters are in the log
	voters          []records.Voter
	bootstrap       []records.Record
}

//nolint:staticcheck // the errors have Kafka's words
func (c *storageCommand) runFormat(env *Env, ns *argparse.Namespace) error {
	file, err := readServerFile(ns.Value(c.formatConfig))
	if err != nil {
		return err
	}
	if !file.isKRaft() {
		return errors.New("The kafka configuration file appears to be for a legacy cluster. Formatting is only supported for clusters in KRaft mode. " +
			"(gokafka starts with this file without any formatting.)")
	}
	f := &formatter{file: file, clusterID: ns.Value(c.clusterID), ignoreFormatted: ns.Has(c.ignoreFormatted), levels: map[string]int16{}}
	if f.nodeID, err = file.nodeID(); err != nil {
		return err
	}
	if err := c.quorum(f, ns); err != nil {
		return err
	}
	if err := f.chooseRelease(ns.Value(c.release), ns.Values(c.feature)); err != nil {
		return err
	}
	if err := f.chooseLevels(); err != nil {
		return err
	}
	return f.run(env, ns.Values(c.scram))
}

// quorum decides who the voters are.
//
//nolint:staticcheck // the errors have Kafka's words
func (c *storageCommand) quorum(f *formatter, ns *argparse.Namespace) error {
	static := len(f.file.list("controller.quorum.voters")) > 0
	var err error
	switch {
	case ns.Has(c.controllers):
		f.dynamic = true
		if f.voters, err = f.parseVoters(ns.Value(c.controllers)); err != nil {
			return err
		}
	case ns.Has(c.standalone):
		f.dynamic = true
		if !f.file.isController() {
			return errors.New("You can only use --standalone on a controller.")
		}
		endpoints, err := f.file.controllerEndpoints()
		if err != nil {
			return err
		}
		f.voters = []records.Voter{voter(f.nodeID, newUUID(), endpoints[0])}
	}
	switch {
	case static && f.dynamic:
		return errors.New("You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. " +
			"If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.")
	case !static && !f.dynamic && f.file.isController() && !ns.Has(c.noControllers):
		return errors.New("Because controller.quorum.voters is not set on this controller, you must specify one of the following: " +
			"--standalone, --initial-controllers, or --no-initial-controllers.")
	}
	return nil
}

func voter(id int32, directory [16]byte, e endpoint) records.Voter {
	return records.Voter{
		VoterID: id, VoterDirectoryID: directory, KRaftVersionFeature: records.KRaftVersionFeature{MaxSupportedVersion: 1},
		Endpoints: []records.VoterEndpoint{{Name: e.name, Host: e.host, Port: e.port}},
	}
}

// parseVoters reads id@host:port:directory,….
//
//nolint:staticcheck // the errors have Kafka's words
func (f *formatter) parseVoters(text string) ([]records.Voter, error) {
	names := f.file.list("controller.listener.names")
	if len(names) == 0 {
		return nil, errors.New("You must specify the name of the initial controller listener.")
	}
	byID := map[int32]records.Voter{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		number, rest, ok := strings.Cut(part, "@")
		if !ok {
			return nil, errors.New("No @ found in dynamic voter string.")
		}
		id, err := strconv.ParseInt(number, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("Failed to parse node id in dynamic voter string %q.", part)
		}
		colon := strings.LastIndexByte(rest, ':')
		if colon < 0 {
			return nil, errors.New("No colon following hostname could be found.")
		}
		directory, err := parseUUID(rest[colon+1:])
		if err != nil {
			return nil, fmt.Errorf("Failed to parse directory ID in dynamic voter string: %w", err)
		}
		host, port, err := splitAddress(rest[:colon])
		if err != nil || host == "" {
			return nil, errors.New("No colon following port could be found.")
		}
		if _, twice := byID[int32(id)]; twice {
			return nil, fmt.Errorf("Node id %d was specified twice.", id)
		}
		byID[int32(id)] = voter(int32(id), directory, endpoint{strings.ToUpper(names[0]), host, port})
	}
	if len(byID) == 0 {
		return nil, errors.New("No voters given.")
	}
	var voters []records.Voter
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		voters = append(voters, byID[id])
	}
	return voters, nil
}

// chooseRelease finds out the metadata.version, and reads the levels that were asked for.
//
//nolint:staticcheck // the errors have Kafka's words
func (f *formatter) chooseRelease(release string, features []string) error {
	for _, text := range features {
		name, level, err := parseFeature(text)
		if err != nil {
			return err
		}
		if _, twice := f.levels[name]; twice {
			return fmt.Errorf("Feature %s was specified more than once.", name)
		}
		f.levels[name] = level
	}
	if release == "" {
		release = f.file["inter.broker.protocol.version"]
	}
	level, asked := f.levels[metadataVersionFeature]
	switch {
	case asked && release != "":
		return errors.New("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")
	case asked:
		name, ok := metadataVersionName(level)
		if !ok {
			return fmt.Errorf("No MetadataVersion with feature level %d. Valid feature levels are from %d to %d.", level, firstMetadataVersion, firstMetadataVersion+len(metadataVersions)-1)
		}
		if level > latestMetadataVersion {
			return fmt.Errorf("%s %s is not yet stable.", metadataVersionFeature, name)
		}
		f.release = level
	case release != "":
		var err error
		if f.release, err = metadataVersionLevel(release, true); err != nil {
			return err
		}
	default:
		f.release = latestMetadataVersion
	}
	return nil
}

// chooseLevels completes the levels of all features with those of the release, and checks them.
//
//nolint:staticcheck // the errors have Kafka's words
func (f *formatter) chooseLevels() error {
	for _, name := range slices.Sorted(maps.Keys(f.levels)) {
		if _, known := featureNamed(name); !known && name != metadataVersionFeature {
			var names []string
			for _, k := range knownFeatures {
				names = append(names, k.name)
			}
			slices.Sort(names)
			return fmt.Errorf("Unsupported feature: %s. Supported features are: %s", name, strings.Join(names, ", "))
		}
	}
	if level, asked := f.levels["kraft.version"]; !asked {
		f.levels["kraft.version"] = 0
		if f.dynamic {
			f.levels["kraft.version"] = 1
		}
	} else if level == 0 && f.dynamic {
		return errors.New("Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, " +
			"or --no-initial-controllers is used. For dynamic controllers support, try removing the --feature flag for kraft.version.")
	} else if level > 0 && len(f.file.list("controller.quorum.voters")) > 0 {
		return fmt.Errorf("Cannot set kraft.version to %d unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, "+
			"or --no-initial-controllers is used. For dynamic controllers support, try using one of --standalone, --initial-controllers, or "+
			"--no-initial-controllers and removing controller.quorum.voters.", level)
	}
	f.levels[metadataVersionFeature] = f.release
	for _, k := range knownFeatures {
		level, asked := f.levels[k.name]
		if !asked {
			level = k.at(f.release)
			f.levels[k.name] = level
		}
		if level < 0 || level > k.max {
			return fmt.Errorf("No feature:%s with feature level %d", k.name, level)
		}
		if level > 0 && f.release < k.needs {
			return fmt.Errorf("%s could not be set to %d because it depends on %s level %d", k.name, level, metadataVersionFeature, k.needs)
		}
	}
	return nil
}

// run formats the directories that are not formatted yet.
//
//nolint:staticcheck // the errors have Kafka's words
func (f *formatter) run(env *Env, scram []string) error {
	f.bootstrap = append(f.bootstrap, &records.FeatureLevelRecord{Name: metadataVersionFeature, FeatureLevel: f.release})
	for _, name := range slices.Sorted(maps.Keys(f.levels)) {
		if level := f.levels[name]; level > 0 && name != metadataVersionFeature && name != "kraft.version" {
			f.bootstrap = append(f.bootstrap, &records.FeatureLevelRecord{Name: name, FeatureLevel: level})
		}
	}
	if len(scram) > 0 {
		const scramSince = 11 // KIP-900
		if f.release < scramSince {
			release, _ := metadataVersionName(scramSince)
			return fmt.Errorf("SCRAM is only supported in %s %s or later.", metadataVersionFeature, release)
		}
		for _, text := range scram {
			r, err := parseScram(text)
			if err != nil {
				return err
			}
			f.bootstrap = append(f.bootstrap, r)
		}
	}
	empty, formatted, err := f.directories(env)
	if err != nil {
		return err
	}
	if len(formatted) > 0 && !f.ignoreFormatted {
		return fmt.Errorf("Log directory %s is already formatted. Use --ignore-formatted to ignore this directory and format the others.", formatted[0])
	}
	if len(empty) == 0 {
		if len(formatted) == 0 {
			return errors.New("No available log directories to format.")
		}
		env.println("All of the log directories are already formatted.")
		return nil
	}
	env.println("Bootstrap metadata: " + f.describe())
	for _, dir := range empty {
		if err := f.formatDir(env, dir); err != nil {
			return fmt.Errorf("Error while writing meta.properties file %s: %w", dir, err)
		}
	}
	return nil
}

// directories tells which are to be formatted. One of another node or cluster is an error.
//
//nolint:staticcheck // the errors have Kafka's words
func (f *formatter) directories(env *Env) (empty, formatted []string, err error) {
	for _, dir := range f.file.logDirs() {
		id, err := log.ReadIdentity(vfs.OS(), dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			empty = append(empty, dir)
		case err != nil:
			env.printf("I/O error trying to read log directory %s. Ignoring...\n", dir)
		case id.ClusterID != f.clusterID:
			return nil, nil, fmt.Errorf("Invalid cluster.id in: %s/meta.properties. Expected %s, but read %s", dir, f.clusterID, id.ClusterID)
		case id.NodeID >= 0 && id.NodeID != f.nodeID:
			return nil, nil, fmt.Errorf("Stored node id %d doesn't match previous node id %d in %s/meta.properties. If you moved your data, make sure your configured "+
				"node id matches.", id.NodeID, f.nodeID, dir)
		default:
			formatted = append(formatted, dir)
		}
	}
	return empty, formatted, nil
}

// formatDir formats one directory. What makes it formatted, meta.properties, comes last.
func (f *formatter) formatDir(env *Env, dir string) error {
	kind, id := "data directory", newUUID()
	if dir == f.file.metadataDir() {
		kind = "metadata directory"
		if f.dynamic {
			kind = "dynamic metadata directory"
		}
		for _, v := range f.voters {
			if v.VoterID == f.nodeID {
				kind, id = "dynamic metadata voter directory", v.VoterDirectoryID
			}
		}
	}
	release, _ := metadataVersionName(f.release)
	env.printf("Formatting %s %s with %s %s.\n", kind, dir, metadataVersionFeature, release)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	now := env.Now()
	if err := metadata.WriteBootstrap(vfs.OS(), dir, f.bootstrap, now.UnixMilli()); err != nil {
		return err
	}
	if f.dynamic && dir == f.file.metadataDir() {
		if err := metadata.WriteVoters(vfs.OS(), dir, f.voters, now.UnixMilli()); err != nil {
			return err
		}
	}
	return log.WriteIdentity(vfs.OS(), dir, log.DirIdentity{Version: 1, ClusterID: f.clusterID, NodeID: f.nodeID, DirectoryID: id}, now.Truncate(time.Second))
}

// describe shows the first records of the cluster as Java prints them.
func (f *formatter) describe() string {
	list := make([]string, len(f.bootstrap))
	for i, r := range f.bootstrap {
		text := ""
		switch r := r.(type) {
		case *records.FeatureLevelRecord:
			text = fmt.Sprintf("FeatureLevelRecord(name='%s', featureLevel=%d)", r.Name, r.FeatureLevel)
		case *records.UserScramCredentialRecord:
			text = fmt.Sprintf("UserScramCredentialRecord(name='%s', mechanism=%d, salt=%s, storedKey=%s, serverKey=%s, iterations=%d)",
				r.Name, r.Mechanism, javaBytes(r.Salt), javaBytes(r.StoredKey), javaBytes(r.ServerKey), r.Iterations)
		}
		list[i] = "ApiMessageAndVersion(" + text + " at version 0)"
	}
	return fmt.Sprintf("BootstrapMetadata(records=[%s], metadataVersionLevel=%d, source=format command)", strings.Join(list, ", "), f.release)
}

// javaBytes is how Java prints an array of its signed bytes.
func javaBytes(b []byte) string {
	list := make([]string, len(b))
	for i, v := range b {
		list[i] = strconv.Itoa(int(int8(v)))
	}
	return "[" + strings.Join(list, ", ") + "]"
}
