package conformance

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestMain(m *testing.M) { site.Main(m) }
