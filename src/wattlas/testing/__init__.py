"""What tests of meters and engines need, for third parties too: fakes and conformance suites."""
