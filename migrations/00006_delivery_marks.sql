-- +goose Up

-- A mark is the name of one life of the place where deliveries lie: who empties that place takes the name away, too. A name
-- that is not here stands for a place that holds none of the deliveries that were made before, so they are made again, once.
-- The names stay, so that workers on two such places, as while a deployment changes to another one, leave each other alone.
CREATE TABLE delivery_marks (
    mark    text        PRIMARY KEY CHECK (mark <> '' AND length(mark) <= 64),
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE delivery_marks;
