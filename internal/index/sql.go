package index

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"

	"diffuse/internal/fault"
)

// Table is the answer to a question in SQL. A value is nil, an int64, a float64,
// a string or a []byte.
type Table struct {
	Columns []string
	Rows    [][]any
}

// SQL asks the database a question; docs/runs.md lists its tables. What would
// write, attach a file or change a setting is refused before it runs: errors of
// the question are of kind fault.Usage.
func (x *Index) SQL(ctx context.Context, query string) (*Table, error) {
	var t *Table
	err := x.reading(ctx, func(db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := authorize(conn, readsOnly); err != nil {
			return err
		}
		defer func() { _ = authorize(conn, nil) }() // for the next who asks
		t, err = ask(ctx, conn, query)
		return err
	})
	switch e, isSQL := errors.AsType[*sqlite.Error](err); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isSQL && e.Code()&0xff == codeAuth:
		return nil, fault.New(fault.Usage, `diffuse runs sql "select run, status, fid from runs"`, "only questions are answered: the statement would change something")
	case isSQL:
		return nil, fault.New(fault.Usage, `docs/runs.md lists the tables; so does: diffuse runs sql "select name, sql from sqlite_schema where type = 'view'"`, "sql: %w", err)
	}
	return t, err
}

// codeAuth is SQLite's code of a statement that the authorizer denies.
const codeAuth = 23

// readsOnly lets through what a SELECT is made of.
func readsOnly(action sqlite.AuthorizerActionCode, _, _, _, _ string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthFunction, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	}
	return sqlite.AuthorizerDeny
}

func authorize(conn *sql.Conn, fn sqlite.AuthorizerFn) error {
	return conn.Raw(func(driver any) error {
		return driver.(sqlite.AuthorizerRegisterer).RegisterAuthorizer(fn)
	})
}

// ask reads all rows of an answer.
func ask(ctx context.Context, conn *sql.Conn, query string) (*Table, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &Table{Rows: [][]any{}}
	if t.Columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	for rows.Next() {
		row := make([]any, len(t.Columns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		t.Rows = append(t.Rows, row)
	}
	return t, rows.Err()
}
