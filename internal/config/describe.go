package config

import (
	"cmp"
	"maps"
	"slices"
)

// Sources of a value, as DescribeConfigs numbers them.
const (
	SourceUnknown              int8 = 0
	SourceTopic                int8 = 1
	SourceDynamicBroker        int8 = 2
	SourceDynamicDefaultBroker int8 = 3
	SourceStaticBroker         int8 = 4
	SourceDefault              int8 = 5
	SourceDynamicBrokerLogger  int8 = 6
	SourceClientMetrics        int8 = 7
	SourceGroup                int8 = 8
)

// Described is one configuration as DescribeConfigs shows it.
type Described struct {
	Name      string
	Value     *string // nil: null, or hidden because it is sensitive
	ReadOnly  bool
	Sensitive bool
	Source    int8 // Source…
	Type      int8 // as DescribeConfigs numbers types
	Synonyms  []Synonym
	Doc       string
}

// Synonym is one of the places that a value is looked for in, the first one in effect.
type Synonym struct {
	Name   string
	Value  *string
	Source int8
}

// DescribeBroker describes all configurations of this broker, sorted by name, given the dynamic defaults of the cluster and those of the broker:
// every key of a 4.3.1 broker, and whatever else is set. Of keys that are not in the table the value is hidden, as nobody knows how secret it is.
func (c *Config) DescribeBroker(defaults, perBroker map[string]string) []Described {
	c = c.with(defaults, perBroker)
	var list []Described
	for _, k := range sortedKeys {
		if k.described() {
			list = append(list, c.describe(k.Name))
		}
	}
	for name := range c.settings() {
		if k := byName[name]; (k == nil || !k.described()) && name != "cluster.id" {
			list = append(list, c.describe(name))
		}
	}
	slices.SortFunc(list, byDescribedName)
	return list
}

// DescribeTopic describes all configurations of a topic, sorted by name.
func (c *Config) DescribeTopic(overrides, dynamicDefaults, perBroker map[string]string) []Described {
	c = c.with(dynamicDefaults, perBroker)
	var list []Described
	for i := range topicTable {
		k := &topicTable[i]
		v, own := c.topicValue(k, overrides)
		if k.flags&internal != 0 && !own {
			continue
		}
		d := Described{Name: k.Name, Value: text(v), Source: SourceDefault, Type: int8(k.Type), Doc: k.Doc}
		if own {
			d.Synonyms = []Synonym{{k.Name, d.Value, SourceTopic}}
		}
		if len(k.Synonyms) > 0 {
			d.Synonyms = append(d.Synonyms, c.synonyms(k.Synonyms[0])...)
		}
		if len(d.Synonyms) > 0 {
			d.Source = d.Synonyms[0].Source
		}
		list = append(list, d)
	}
	slices.SortFunc(list, byDescribedName)
	return list
}

func byDescribedName(a, b Described) int { return cmp.Compare(a.Name, b.Name) }

// with returns the configuration under these dynamic updates.
func (c *Config) with(defaults, perBroker map[string]string) *Config {
	if maps.Equal(c.dynamicDefaults, defaults) && maps.Equal(c.dynamicBroker, perBroker) {
		return c
	}
	next, _ := c.WithDynamic(defaults, perBroker) // what is not valid is not in effect and not shown
	return next
}

// settings are the names of all keys that any layer over Kafka's defaults sets.
func (c *Config) settings() map[string]bool {
	set := make(map[string]bool)
	for name := range c.static {
		set[name] = true
	}
	for _, m := range []map[string]string{c.dynamicDefaults, c.dynamicBroker} {
		for name := range m {
			set[name] = true
		}
	}
	return set
}

// describe describes one broker configuration.
func (c *Config) describe(name string) Described {
	d := Described{Name: name, ReadOnly: true, Sensitive: true, Source: SourceDefault, Synonyms: c.synonyms(name)}
	if len(d.Synonyms) > 0 {
		d.Source = d.Synonyms[0].Source
	}
	k, ok := visibleKey(name)
	if !ok {
		return d
	}
	d.ReadOnly = !k.Dynamic() || name != k.Name
	d.Sensitive, d.Type, d.Doc = k.Sensitive(), int8(k.Type), k.Doc
	if !d.Sensitive {
		d.Value = text(c.effective(k, name))
	}
	return d
}

// visibleKey returns the row that describes a name to clients: keys that a 4.3.1 broker does not have are unknown to it.
func visibleKey(name string) (*Key, bool) {
	k, ok := LookupKey(name)
	if !ok || k.flags&(legacy|own|outside) != 0 {
		return nil, false
	}
	return k, true
}

// synonyms lists where a broker configuration is looked for, the one in effect first: by layer, and within a layer by unit. What stands before
// the key itself is left out, as ConfigHelper.configSynonyms does.
func (c *Config) synonyms(name string) []Synonym {
	k, known := visibleKey(name)
	hidden := !known || k.Sensitive()
	var list []Synonym
	add := func(key, value string, source int8) {
		s := Synonym{Name: key, Source: source}
		if !hidden {
			s.Value = &value
		}
		list = append(list, s)
	}
	keys := brokerSynonyms(name)
	for _, key := range keys {
		if v, ok := c.dynamicBroker[key]; ok {
			add(key, v, SourceDynamicBroker)
		}
	}
	for _, key := range keys {
		if v, ok := c.dynamicDefaults[key]; ok {
			add(key, v, SourceDynamicDefaultBroker)
		}
	}
	for _, key := range keys {
		if e, ok := c.static[key]; ok {
			add(key, e.Value, SourceStaticBroker)
		}
	}
	for _, key := range keys {
		if k, ok := visibleKey(key); ok && k.flags&dynamicOnly == 0 && k.Name == key && k.Default != null {
			add(key, k.Default, SourceDefault)
		}
	}
	if i := slices.IndexFunc(list, func(s Synonym) bool { return s.Name == name }); i >= 0 {
		return list[i:]
	}
	return nil
}

// text writes a value as DescribeConfigs does.
func text(v any) *string {
	if v == nil {
		return nil
	}
	s := formatValue(v)
	return &s
}
