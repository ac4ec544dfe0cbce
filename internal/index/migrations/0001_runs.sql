-- +goose Up

-- What begins with raw_ is the program's; the views below are what people ask.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE raw_run (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  name     TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL DEFAULT 0, -- grows with each change

  -- What was read: to go on from there, and to notice that a file was replaced.
  log_bytes INTEGER NOT NULL DEFAULT 0, -- whole lines read so far
  log_size  INTEGER NOT NULL DEFAULT -1, -- the file's, then; -1 without a log
  log_mtime INTEGER NOT NULL DEFAULT 0, -- ns
  log_print TEXT NOT NULL DEFAULT '', -- hash of the first and the last bytes read
  log_error TEXT NOT NULL DEFAULT '',   -- why it could not be read to its end
  conf_size  INTEGER NOT NULL DEFAULT -1,
  conf_mtime INTEGER NOT NULL DEFAULT 0,
  conf_error TEXT NOT NULL DEFAULT '',

  -- State of the reading between two lines.
  format          INTEGER NOT NULL DEFAULT 0,
  steps_per_epoch INTEGER NOT NULL DEFAULT 0,
  train_images    INTEGER NOT NULL DEFAULT 0,
  last_ms         INTEGER NOT NULL DEFAULT 0, -- unix_ms of the attempt's last step
  steps           INTEGER NOT NULL DEFAULT 0, -- rows in raw_step

  -- What is known of the run.
  running     INTEGER NOT NULL DEFAULT 0, -- its lock was held when it was last looked at
  status      TEXT NOT NULL DEFAULT 'unknown', -- how it stands where nobody holds the lock
  ended       INTEGER NOT NULL DEFAULT 0, -- the last attempt has an end line
  error       TEXT NOT NULL DEFAULT '',
  started     TEXT NOT NULL DEFAULT '', -- as the first start line says
  created     TEXT NOT NULL DEFAULT '',
  updated     TEXT NOT NULL DEFAULT '',
  config      TEXT NOT NULL DEFAULT '{}', -- {"train.lr": "0.01", ...}
  tags        TEXT NOT NULL DEFAULT '[]',
  note        TEXT NOT NULL DEFAULT '',
  damaged     INTEGER NOT NULL DEFAULT 0,
  parameters  INTEGER NOT NULL DEFAULT 0,
  total       INTEGER NOT NULL DEFAULT 0,
  step        INTEGER NOT NULL DEFAULT 0,
  epoch       INTEGER NOT NULL DEFAULT 0,
  images      INTEGER NOT NULL DEFAULT 0,
  seconds     REAL NOT NULL DEFAULT 0,
  pace        REAL, -- seconds a step, of the last ones
  loss        REAL,
  lr          REAL,
  grad_norm   REAL,
  img_per_s   REAL,
  memory      INTEGER,
  train_loss  REAL,
  valid_loss  REAL,
  valid_loss_ema REAL,
  best_loss   REAL,
  accuracy    REAL,
  fid         REAL,
  kid         REAL,
  score       TEXT NOT NULL DEFAULT ''
);

-- line is the line's first byte in log.jsonl: the order in which things happened.
CREATE TABLE raw_step (
  run       INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  line      INTEGER NOT NULL,
  epoch     INTEGER NOT NULL,
  loss      REAL NOT NULL,
  lr        REAL NOT NULL,
  grad_norm REAL NOT NULL,
  img_per_s REAL NOT NULL,
  images    INTEGER NOT NULL,
  seconds   REAL NOT NULL,
  unix_ms   INTEGER,
  memory    INTEGER,
  PRIMARY KEY (run, step, line)
) WITHOUT ROWID;

CREATE TABLE raw_event (
  run   INTEGER NOT NULL,
  line  INTEGER NOT NULL,
  event TEXT NOT NULL,
  step  INTEGER NOT NULL,
  body  TEXT NOT NULL, -- JSON
  PRIMARY KEY (run, line)
) WITHOUT ROWID;
CREATE INDEX raw_event_kind ON raw_event (run, event, step);

-- The pyramid: bucket b of a level holds the steps level*b+1 to level*b+level.
CREATE TABLE raw_bucket (
  run    INTEGER NOT NULL,
  level  INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  step INTEGER NOT NULL, images INTEGER NOT NULL, seconds REAL NOT NULL, -- the greatest
  loss_sum REAL NOT NULL, loss_min REAL NOT NULL, loss_max REAL NOT NULL,
  lr_sum REAL NOT NULL, lr_min REAL NOT NULL, lr_max REAL NOT NULL,
  grad_norm_sum REAL NOT NULL, grad_norm_min REAL NOT NULL, grad_norm_max REAL NOT NULL,
  img_per_s_sum REAL NOT NULL, img_per_s_min REAL NOT NULL, img_per_s_max REAL NOT NULL,
  memory_n INTEGER NOT NULL, memory_sum REAL, memory_min REAL, memory_max REAL,
  PRIMARY KEY (run, level, bucket)
) WITHOUT ROWID;

CREATE VIEW runs AS SELECT
  name AS run,
  CASE WHEN conf_error != '' OR log_error != '' THEN 'unreadable' WHEN running THEN 'running' ELSE status END AS status,
  created, updated, step, total, epoch, images, seconds,
  loss, lr, grad_norm, img_per_s, memory,
  train_loss, valid_loss, valid_loss_ema, best_loss, accuracy, fid, kid, score,
  config ->> '$.name' AS config_name, config ->> '$."data.set"' AS data, config ->> '$."model.kind"' AS kind,
  config ->> '$."train.precision"' AS "precision", parameters, tags, note,
  coalesce(nullif(conf_error, ''), nullif(log_error, ''), error) AS error, damaged
FROM raw_run;

CREATE VIEW steps AS SELECT
  r.name AS run, s.step, s.epoch, s.loss, s.lr, s.grad_norm, s.img_per_s, s.images, s.seconds, s.memory, s.unix_ms
FROM raw_run r JOIN raw_step s ON s.run = r.id;

CREATE VIEW epochs AS SELECT
  r.name AS run, body ->> '$.epoch' AS epoch, e.step, body ->> '$.train_loss' AS train_loss, body ->> '$.valid_loss' AS valid_loss,
  body ->> '$.valid_loss_ema' AS valid_loss_ema, body ->> '$.accuracy' AS accuracy, body ->> '$.best' AS best,
  body ->> '$.seconds' AS seconds, body ->> '$.time' AS time
FROM raw_run r JOIN raw_event e ON e.run = r.id AND e.event = 'epoch';

CREATE VIEW scores AS SELECT
  r.name AS run, body ->> '$.epoch' AS epoch, e.step, body ->> '$.fid' AS fid, body ->> '$.interval[0]' AS fid_low, body ->> '$.interval[1]' AS fid_high,
  body ->> '$.kid' AS kid, body ->> '$.kid_interval[0]' AS kid_low, body ->> '$.kid_interval[1]' AS kid_high,
  body ->> '$.precision' AS "precision", body ->> '$.recall' AS recall, body ->> '$.samples' AS samples,
  body ->> '$.reference.name' AS reference, body ->> '$.extractor.name' AS extractor, body ->> '$.floor.fid' AS floor,
  body ->> '$.weights' AS weights, coalesce(body ->> '$.checkpoint', '') AS checkpoint,
  body ->> '$.sampler' AS sampler, body ->> '$.net_calls' AS net_calls, body ->> '$.seconds' AS seconds, body ->> '$.time' AS time
FROM raw_run r JOIN raw_event e ON e.run = r.id AND e.event = 'score';

CREATE VIEW grids AS SELECT
  r.name AS run, body ->> '$.epoch' AS epoch, e.step, body ->> '$.path' AS path, body ->> '$.panels' AS panels, body ->> '$.time' AS time
FROM raw_run r JOIN raw_event e ON e.run = r.id AND e.event = 'grid';

CREATE VIEW tags AS SELECT r.name AS run, t.value AS tag FROM raw_run r, json_each(r.tags) t;

CREATE VIEW config AS SELECT
  r.name AS run, c.key, c.value,
  CASE json_valid(c.value) WHEN 1 THEN CASE WHEN json_type(c.value) IN ('integer', 'real') THEN CAST(c.value AS REAL) END END AS number
FROM raw_run r, json_each(r.config) c;

CREATE VIEW events AS SELECT r.name AS run, e.line, e.event, e.step, e.body ->> '$.time' AS time, e.body
FROM raw_run r JOIN raw_event e ON e.run = r.id;

-- +goose Down
DROP VIEW events;
DROP VIEW config;
DROP VIEW tags;
DROP VIEW grids;
DROP VIEW scores;
DROP VIEW epochs;
DROP VIEW steps;
DROP VIEW runs;
DROP TABLE raw_bucket;
DROP TABLE raw_event;
DROP TABLE raw_step;
DROP TABLE raw_run;
DROP TABLE meta;
