package cli

import (
	"context"

	"diffuse/internal/fault"
)

// scorePictures scores the pictures of --images.
func scorePictures(ctx context.Context, o *ScoreOptions) (*ScoreResult, error) {
	return nil, fault.New(fault.Failure, "", "TODO")
}
