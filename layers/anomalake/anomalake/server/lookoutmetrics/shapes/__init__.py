"""The shapes of requests and answers: a table, from which validation, encoding and the service model follow."""
