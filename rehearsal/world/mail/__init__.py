"""The mail server of the rehearsed host: it obeys the files that the deployment wrote."""
