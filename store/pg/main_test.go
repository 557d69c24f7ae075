package pg

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
