package tools

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var delegationTokensTool = Tool{
	Name:    "kafka-delegation-tokens",
	Summary: "create, renew, expire and show delegation tokens",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newDelegationTokens(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// delegationTokens is one run of kafka-delegation-tokens.
type delegationTokens struct {
	*command
	cl *kgo.Client

	bootstrap, commandConfig, create, renew, expire, describe     *jopt.Option
	owner, renewer, maxLifeTime, renewPeriod, expiryPeriod, hmacs *jopt.Option
}

func newDelegationTokens(env *Env) *delegationTokens {
	c := newCommand(env, "This tool helps to create, renew, expire, or describe delegation tokens.")
	return &delegationTokens{
		command:       c,
		bootstrap:     c.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first.").WithRequiredArg(""),
		commandConfig: c.Accepts("command-config", "REQUIRED: File with properties for the client: brokers give tokens only to those who have logged in.").WithRequiredArg(""),
		create:        c.Accepts("create", "Create a token; --renewer-principal says who may renew it."),
		renew:         c.Accepts("renew", "Renew a token for --renew-time-period."),
		expire:        c.Accepts("expire", "Have a token expire in --expiry-time-period."),
		describe:      c.Accepts("describe", "Show the tokens of --owner-principal, or all that the user owns or may describe."),
		owner:         c.Accepts("owner-principal", "Whose token it is, as type:name.").WithOptionalArg(""),
		renewer:       c.Accepts("renewer-principal", "Who may renew it, as type:name.").WithOptionalArg(""),
		maxLifeTime:   c.Accepts("max-life-time-period", "Milliseconds that a token lives at most; -1 for the broker's delegation.token.max.lifetime.ms.").WithOptionalArg("").OfType(jopt.Long),
		renewPeriod:   c.Accepts("renew-time-period", "Milliseconds until it has to be renewed again; -1 for the broker's delegation.token.expiry.time.ms.").WithOptionalArg("").OfType(jopt.Long),
		expiryPeriod:  c.Accepts("expiry-time-period", "Milliseconds until it expires; -1 for now.").WithOptionalArg("").OfType(jopt.Long),
		hmacs:         c.Accepts("hmac", "HMAC of the token.").WithOptionalArg(""),
	}
}

func (t *delegationTokens) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.commandConfig))
	if err != nil {
		return err
	}
	defer cl.Close()
	t.cl = cl
	switch {
	case t.Has(t.create):
		err = t.createToken(ctx)
	case t.Has(t.renew):
		err = t.renewToken(ctx)
	case t.Has(t.expire):
		err = t.expireToken(ctx)
	default:
		err = t.describeTokens(ctx)
	}
	return err
}

func (t *delegationTokens) check() error {
	if t.count(t.create, t.renew, t.expire, t.describe) != 1 {
		return usagef("Command must include exactly one action: --create, --renew, --expire or --describe")
	}
	required := []*jopt.Option{t.bootstrap, t.commandConfig}
	switch {
	case t.Has(t.create):
		required = append(required, t.maxLifeTime)
	case t.Has(t.renew):
		required = append(required, t.hmacs, t.renewPeriod)
	case t.Has(t.expire):
		required = append(required, t.hmacs, t.expiryPeriod)
	}
	return firstError(
		t.requires(required...),
		t.excludes(t.create, t.hmacs, t.renewPeriod, t.expiryPeriod),
		t.excludes(t.renew, t.renewer, t.maxLifeTime, t.expiryPeriod, t.owner),
		t.excludes(t.expire, t.renew, t.maxLifeTime, t.renewPeriod, t.owner),
		t.excludes(t.describe, t.renewPeriod, t.maxLifeTime, t.hmacs, t.expiryPeriod),
	)
}

func parsePrincipals(texts []string) ([]principal, error) {
	var all []principal
	for _, text := range texts {
		p, err := parsePrincipal(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// javaList is principals as Java shows a list of them.
func javaList(principals []principal) string {
	names := make([]string, len(principals))
	for i, p := range principals {
		names[i] = p.String()
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// delegationToken is a token as it is shown.
type delegationToken struct {
	id                         string
	hmac                       []byte
	owner, requester           principal
	renewers                   []principal
	issued, expires, latestEnd int64
}

func (t *delegationTokens) createToken(ctx context.Context) error {
	renewers, err := parsePrincipals(t.Values(t.renewer))
	if err != nil {
		return err
	}
	t.env.printf("Calling create token operation with renewers :%s , max-life-time-period :%d\n", javaList(renewers), t.Int64(t.maxLifeTime))
	owners, err := parsePrincipals(t.Values(t.owner))
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreateDelegationTokenRequest()
	req.MaxLifetimeMillis = t.Int64(t.maxLifeTime)
	if len(owners) > 0 {
		req.OwnerPrincipalType, req.OwnerPrincipalName = &owners[0].kind, &owners[0].name
	}
	for _, r := range renewers {
		rr := kmsg.NewCreateDelegationTokenRequestRenewer()
		rr.PrincipalType, rr.PrincipalName = r.kind, r.name
		req.Renewers = append(req.Renewers, rr)
	}
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return throwsExecution(err)
	}
	if err := answered(resp.ErrorCode, nil); err != nil {
		return throwsExecution(err)
	}
	t.env.printf("Created delegation token with tokenId : %s\n", resp.TokenID)
	t.print([]delegationToken{{
		resp.TokenID, resp.HMAC, principal{resp.PrincipalType, resp.PrincipalName}, principal{resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName},
		renewers, resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp,
	}})
	return nil
}

// tokenDate is how a time is shown, in the local zone.
func tokenDate(millis int64) string { return time.UnixMilli(millis).Format("2006-01-02T15:04") }

func (t *delegationTokens) print(tokens []delegationToken) {
	row := func(values ...any) { t.env.printf("\n%-15s %-30s %-15s %-15s %-25s %-15s %-15s %-15s\n", values...) }
	row("TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE")
	for _, k := range tokens {
		row(k.id, base64.StdEncoding.EncodeToString(k.hmac), k.owner.String(), k.requester.String(), javaList(k.renewers), tokenDate(k.issued), tokenDate(k.expires), tokenDate(k.latestEnd))
	}
}

// hmac is the key of the token that the command line names.
func (t *delegationTokens) hmac() ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(t.Value(t.hmacs))
	if err != nil {
		return nil, errors.New("--hmac is not in base64: " + err.Error())
	}
	return b, nil
}

func (t *delegationTokens) renewToken(ctx context.Context) error {
	period := t.Int64(t.renewPeriod)
	t.env.printf("Calling renew token operation with hmac :%s , renew-time-period :%d\n", t.Value(t.hmacs), period)
	hmac, err := t.hmac()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrRenewDelegationTokenRequest()
	req.HMAC, req.RenewTimeMillis = hmac, period
	resp, err := req.RequestWith(ctx, t.cl)
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	if err != nil {
		return throwsExecution(err)
	}
	t.env.printf("Completed renew operation. New expiry date : %s", tokenDate(resp.ExpiryTimestamp))
	return nil
}

func (t *delegationTokens) expireToken(ctx context.Context) error {
	period := t.Int64(t.expiryPeriod)
	t.env.printf("Calling expire token operation with hmac :%s , expire-time-period :%d\n", t.Value(t.hmacs), period)
	hmac, err := t.hmac()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrExpireDelegationTokenRequest()
	req.HMAC, req.ExpiryPeriodMillis = hmac, period
	resp, err := req.RequestWith(ctx, t.cl)
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	if err != nil {
		return throwsExecution(err)
	}
	t.env.printf("Completed expire operation. New expiry date : %s", tokenDate(resp.ExpiryTimestamp))
	return nil
}

func (t *delegationTokens) describeTokens(ctx context.Context) error {
	owners, err := parsePrincipals(t.Values(t.owner))
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		t.env.println("Calling describe token operation for current user.")
	} else {
		t.env.printf("Calling describe token operation for owners: %s\n", javaList(owners))
	}
	req := kmsg.NewPtrDescribeDelegationTokenRequest()
	for _, o := range owners {
		ro := kmsg.NewDescribeDelegationTokenRequestOwner()
		ro.PrincipalType, ro.PrincipalName = o.kind, o.name
		req.Owners = append(req.Owners, ro)
	}
	resp, err := req.RequestWith(ctx, t.cl)
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	if err != nil {
		return throwsExecution(err)
	}
	var tokens []delegationToken
	for _, d := range resp.TokenDetails {
		k := delegationToken{
			d.TokenID, d.HMAC, principal{d.PrincipalType, d.PrincipalName}, principal{d.TokenRequesterPrincipalType, d.TokenRequesterPrincipalName},
			nil, d.IssueTimestamp, d.ExpiryTimestamp, d.MaxTimestamp,
		}
		for _, r := range d.Renewers {
			k.renewers = append(k.renewers, principal{r.PrincipalType, r.PrincipalName})
		}
		tokens = append(tokens, k)
	}
	t.env.printf("Total number of tokens : %d", len(tokens))
	t.print(tokens)
	return nil
}
