package config

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

// DescribeBroker describes all configurations of this broker, sorted by name, given the dynamic defaults of the cluster and those of the broker.
func (c *Config) DescribeBroker(defaults, perBroker map[string]string) []Described { return nil }

// DescribeTopic describes all configurations of a topic, sorted by name.
func (c *Config) DescribeTopic(overrides, dynamicDefaults, perBroker map[string]string) []Described {
	return nil
}
