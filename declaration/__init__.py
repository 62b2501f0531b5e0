"""What a company declares: settings of each part, read from `Pulumi.<stack>.yaml` and checked.

Nothing here knows Pulumi, a provider's SDK, or how anything is deployed.
"""
