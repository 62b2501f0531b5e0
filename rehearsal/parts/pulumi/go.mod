// The main module from which Pulumi's CLI is built: `make engine` (rehearsal/parts/go_modules.py).
// The modules of a release refer to each other by folder, so that none of them can be the main one.
// go.sum is the release's own, with pkg and sdk added. Another version: take its `go` and `replace`
// lines and its go.sum, and change rehearsal/parts/catalogue.py alike.
module po-mail/part

go 1.26.6

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e

require (
	github.com/pulumi/pulumi/pkg/v3 v3.276.0
	github.com/pulumi/pulumi/sdk/v3 v3.276.0
)
