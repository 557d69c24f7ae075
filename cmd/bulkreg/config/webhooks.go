package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxNetworks bounds WEBHOOK_ALLOWED_NETWORKS.
const maxNetworks = 100

// WebhookNetworks are the networks to which webhooks may lead although they are not public.
func (c Config) WebhookNetworks() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for word := range strings.FieldsFuncSeq(c.WebhookAllowedNetworks, func(r rune) bool { return r == ',' || r == ' ' }) {
		network, err := netip.ParsePrefix(word)
		switch {
		case err != nil:
			return nil, fmt.Errorf("WEBHOOK_ALLOWED_NETWORKS: %s is no network: give each as address and length, such as 10.20.0.0/16; one machine is 10.20.0.7/32", shown(word))
		case network != network.Masked():
			return nil, fmt.Errorf("WEBHOOK_ALLOWED_NETWORKS: %s is an address in the network %s: give the one that you mean", shown(word), network.Masked())
		case network.Addr().Is4In6():
			return nil, fmt.Errorf("WEBHOOK_ALLOWED_NETWORKS: %s has IPv4 addresses as IPv6: give it as IPv4", shown(word))
		case len(all) == maxNetworks:
			return nil, fmt.Errorf("WEBHOOK_ALLOWED_NETWORKS: there are more than %d networks: give larger ones", maxNetworks)
		}
		all = append(all, network)
	}
	return all, nil
}
