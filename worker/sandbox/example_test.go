package sandbox_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// A client is pointed at a sandbox by its base URL. Here the upstream registers a domain and loses its reply: the
// client knows nothing, and the ledger knows what was paid.
func Example() {
	sb, err := sandbox.New(sandbox.Options{})
	if err != nil {
		log.Fatal(err)
	}
	upstream := httptest.NewServer(sb) // REGISTRAR_BASE_URL is upstream.URL, PMG_TOKEN_URL is upstream.URL + sandbox.TokenPath
	defer upstream.Close()
	defer sb.Close()

	lost, err := sb.Inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectAll})
	if err != nil {
		log.Fatal(err)
	}
	bearer, err := post(upstream.URL+"/authenticate", "", `{"client_id":"demo","client_secret":"demo-secret"}`)
	if err != nil {
		log.Fatal(err)
	}
	_, token, _ := strings.Cut(bearer, `"token":"`)
	token, _, _ = strings.Cut(token, `"`)
	_, err = post(upstream.URL+"/domain/bulk", token, `{"domains":[{"domain":"example.nl","domainholder_id":"demo-holder"}]}`)

	fmt.Println("reply lost:", err != nil && lost.Fired() == 1)
	fmt.Println("paid:", sb.Ledger().Paid("example.nl"))
	// Output:
	// reply lost: true
	// paid: 1
}

func post(url, token, body string) (string, error) {
	request, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return string(data), err
}
