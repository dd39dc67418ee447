package metadata

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// security is the part of an Image that says who may do what and how much of it. The records are kept as they are.
type security struct {
	acls   tree[[16]byte, *records.AccessControlEntryRecord]
	scram  tree[scramKey, *records.UserScramCredentialRecord]
	tokens tree[string, *records.DelegationTokenRecord]
	quotas tree[string, *quota]

	zkMigration *records.ZkMigrationStateRecord // of a cluster that came from ZooKeeper; kept for snapshots
}

type scramKey struct {
	mechanism int8
	user      string
}

// quota is the set of limits of one entity, such as (user alice, client-id default).
type quota struct {
	entity []records.QuotaEntity
	values map[string]float64
}

func newSecurity() security {
	return security{
		acls: newTree[[16]byte, *records.AccessControlEntryRecord](compareUUID),
		scram: newTree[scramKey, *records.UserScramCredentialRecord](func(a, b scramKey) int {
			return cmp.Or(cmp.Compare(a.mechanism, b.mechanism), strings.Compare(a.user, b.user))
		}),
		tokens: newTree[string, *records.DelegationTokenRecord](strings.Compare),
		quotas: newTree[string, *quota](strings.Compare),
	}
}

// apply replays a record of this part; ok is false for records of others.
func (s *security) apply(r records.Record) (ok bool) {
	switch r := r.(type) {
	case *records.AccessControlEntryRecord:
		s.acls = s.acls.put(r.ID, r)
	case *records.RemoveAccessControlEntryRecord:
		s.acls = s.acls.remove(r.ID)
	case *records.UserScramCredentialRecord:
		s.scram = s.scram.put(scramKey{r.Mechanism, r.Name}, r)
	case *records.RemoveUserScramCredentialRecord:
		s.scram = s.scram.remove(scramKey{r.Mechanism, r.Name})
	case *records.DelegationTokenRecord:
		s.tokens = s.tokens.put(r.TokenID, r)
	case *records.RemoveDelegationTokenRecord:
		s.tokens = s.tokens.remove(r.TokenID)
	case *records.ClientQuotaRecord:
		s.applyQuota(r)
	case *records.ZkMigrationStateRecord:
		s.zkMigration = r
	default:
		return false
	}
	return true
}

func (s *security) applyQuota(r *records.ClientQuotaRecord) {
	key := quotaKey(r.Entity)
	q := &quota{entity: r.Entity, values: map[string]float64{}}
	if was, ok := s.quotas.get(key); ok {
		q.entity, q.values = was.entity, maps.Clone(was.values)
	}
	if r.Remove {
		delete(q.values, r.QuotaKey)
	} else {
		q.values[r.QuotaKey] = r.Value
	}
	if len(q.values) == 0 {
		s.quotas = s.quotas.remove(key)
	} else {
		s.quotas = s.quotas.put(key, q)
	}
}

// quotaKey is one string per entity, whatever the order of its parts.
func quotaKey(entity []records.QuotaEntity) string {
	parts := make(map[string]string, len(entity))
	for _, e := range entity {
		name := "default"
		if e.EntityName != nil {
			name = "=" + *e.EntityName
		}
		parts[e.EntityType] = name
	}
	var b strings.Builder
	for _, kind := range sortedKeys(parts) {
		fmt.Fprintf(&b, "%q%q", kind, parts[kind])
	}
	return b.String()
}

// emitQuotas yields the records that make the quotas.
func (s *security) emitQuotas(emit func(records.Versioned)) {
	for _, q := range s.quotas.all() {
		for _, key := range sortedKeys(q.values) {
			emit(records.V0(&records.ClientQuotaRecord{Entity: q.entity, QuotaKey: key, Value: q.values[key]}))
		}
	}
}

// emit yields the records that make the rest.
func (s *security) emit(emit func(records.Versioned)) {
	for _, r := range s.acls.all() {
		emit(records.V0(r))
	}
	for _, r := range s.scram.all() {
		emit(records.V0(r))
	}
	for _, r := range s.tokens.all() {
		emit(records.V0(r))
	}
	if s.zkMigration != nil {
		emit(records.V0(s.zkMigration))
	}
}
