"""What the resolver and the controller know of the cluster: rules, Applications, Secrets."""
