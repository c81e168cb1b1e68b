"""Servers for tests: each a real one on a free port of 127.0.0.1, gone when the test ends.

- `zot.ZotServer` answers as Zot does, over a `model.Model` that tests fill with what
  `images` builds. `test_zot_is_recorded` compares it with exchanges recorded from real Zots.
- `registry` starts CNCF distribution (Debian's docker-registry) in a folder of its own.
- `tokens.TokenServer` hands out Bearer tokens that either of them believes.
- `certificates` makes an authority and certificates for TLS in both directions.
- `loopback` is the HTTP server below those written here; tests with odd wishes use it directly.

    model = Model()
    model.push("team/app", "v1.0.0", images.image("2026-01-01T10:00:00Z"))
    with ZotServer(model) as zot:
        ...  # ask zot.url
    assert zot.targets() == ["/v2/team/app/tags/list"]
"""
