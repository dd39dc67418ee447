package metadata

import (
	"fmt"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// broker replays the records about brokers.
func (p *replayer) broker(r records.Record) error {
	switch r := r.(type) {
	case *records.RegisterBrokerRecord:
		p.img.brokers = p.img.brokers.put(r.BrokerID, &Broker{
			ID: r.BrokerID, Epoch: r.BrokerEpoch, IncarnationID: r.IncarnationID, Rack: r.Rack,
			Endpoints: endpointsOf(r.EndPoints), Features: featuresOf(r.Features),
			Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown,
			LogDirs: r.LogDirs, CordonedLogDirs: r.CordonedLogDirs, migratingZk: r.IsMigratingZkBroker,
		})
	case *records.UnregisterBrokerRecord:
		if _, err := p.brokerOf(r.BrokerID, r.BrokerEpoch); err != nil {
			return err
		}
		p.img.brokers = p.img.brokers.remove(r.BrokerID)
	case *records.FenceBrokerRecord:
		return p.changeBroker(r.ID, r.Epoch, func(b *Broker) { b.Fenced = true })
	case *records.UnfenceBrokerRecord:
		return p.changeBroker(r.ID, r.Epoch, func(b *Broker) { b.Fenced = false })
	case *records.BrokerRegistrationChangeRecord:
		return p.changeBroker(r.BrokerID, r.BrokerEpoch, func(b *Broker) {
			if r.Fenced != 0 {
				b.Fenced = r.Fenced > 0
			}
			if r.InControlledShutdown != 0 {
				b.InControlledShutdown = true
			}
			if len(r.LogDirs) > 0 {
				b.LogDirs = r.LogDirs
			}
			if r.CordonedLogDirs != nil {
				b.CordonedLogDirs = r.CordonedLogDirs
			}
		})
	default:
		return fmt.Errorf("what is a %T: %w", r, errReplay)
	}
	return nil
}

func (p *replayer) brokerOf(id int32, epoch int64) (*Broker, error) {
	b := p.img.Broker(id)
	if b == nil || b.Epoch != epoch {
		return nil, fmt.Errorf("no broker %d of epoch %d: %w", id, epoch, errReplay)
	}
	return b, nil
}

func (p *replayer) changeBroker(id int32, epoch int64, change func(*Broker)) error {
	b, err := p.brokerOf(id, epoch)
	if err != nil {
		return err
	}
	changed := *b
	change(&changed)
	p.img.brokers = p.img.brokers.put(id, &changed)
	return nil
}

func endpointsOf(list []records.Endpoint) []Endpoint {
	es := make([]Endpoint, len(list))
	for i, e := range list {
		es[i] = Endpoint{Name: e.Name, Host: e.Host, Port: e.Port, Protocol: e.SecurityProtocol}
	}
	return es
}

func featuresOf(list []records.Feature) []FeatureRange {
	fs := make([]FeatureRange, len(list))
	for i, f := range list {
		fs[i] = FeatureRange{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion}
	}
	return fs
}

func endpointRecords(list []Endpoint) []records.Endpoint {
	es := make([]records.Endpoint, len(list))
	for i, e := range list {
		es[i] = records.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.Protocol}
	}
	return es
}

func featureRecords(list []FeatureRange) []records.Feature {
	fs := make([]records.Feature, len(list))
	for i, f := range list {
		fs[i] = records.Feature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max}
	}
	return fs
}
