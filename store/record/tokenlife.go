package record

import "time"

// TokenLife is how long a token lives at most: the database keeps none for longer.
const TokenLife = 10 * time.Minute
