package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// withRemedy adds to the error of a direct call which setting may be wrong, where one may.
func withRemedy(err error, account string) error {
	if remedy := remedyOf(err, account); remedy != "" {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return err
}

// remedyOf is what somebody at a command line may do about an error of the registrar's; "" where that is not known.
func remedyOf(err error, account string) string {
	var (
		auth *registrar.AuthError
		call *registrar.Error
	)
	switch {
	case errors.As(err, &auth) && auth.Refused():
		return "correct " + settingsOf(account, "CLIENT_ID") + " and " + settingsOf(account, "CLIENT_SECRET")
	case errors.As(err, &auth):
		return wrongAddress(auth.Answer, account, registrar.OpAuthenticate)
	case errors.As(err, &call) && call.Op == registrar.OpCheckBulk && refusesBatch(call.Answer):
		return "one of the domains may be the reason: ask for them one by one"
	case errors.As(err, &call):
		return wrongAddress(call.Answer, account, call.Op)
	}
	return ""
}

// settingsOf names a setting of an account. Only the default account's is known by its name alone.
func settingsOf(account, variable string) string {
	if account == config.DefaultAccount {
		return "REGISTRAR_" + variable
	}
	return fmt.Sprintf("REGISTRAR_ACCOUNTS_<n>_%s of account %s", variable, account)
}

// refusesBatch says whether the registrar refused a call as a whole for what stands in it.
func refusesBatch(a registrar.Answer) bool {
	return a.Documented && (a.Status == http.StatusBadRequest || a.Status == http.StatusUnprocessableEntity)
}

// wrongAddress suspects the address when nobody is there, or whoever is there does not know the operation.
func wrongAddress(a registrar.Answer, account string, op registrar.Op) string {
	base := settingsOf(account, "BASE_URL")
	switch {
	case a.Status == 0 && !a.Sent:
		return "is " + base + " right?"
	case !a.Documented && (a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed):
		return "are " + base + " and " + pathOf(op) + " right?"
	}
	return ""
}

// pathOf is the setting with the path of an operation.
func pathOf(op registrar.Op) string {
	switch op {
	case registrar.OpAuthenticate:
		return "REGISTRAR_PATH_AUTHENTICATE"
	case registrar.OpCheck:
		return "REGISTRAR_PATH_CHECK"
	case registrar.OpCheckBulk:
		return "REGISTRAR_PATH_CHECK_BULK"
	case registrar.OpHolderCreate, registrar.OpHolderFind:
		return "REGISTRAR_PATH_HOLDER"
	case registrar.OpHolderUpdate, registrar.OpHolderDelete:
		return "REGISTRAR_PATH_HOLDER_BY_ID"
	}
	return "REGISTRAR_PATH_*"
}
