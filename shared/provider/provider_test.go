package provider

import "testing"

func TestEveryBuiltInSpecResolves(t *testing.T) {
	required := map[string]map[string]string{"hmac": {"header": "x-signature"}}
	for _, name := range Names() {
		spec, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if spec.ID != name {
			t.Errorf("%s: got id %s", name, spec.ID)
		}
		v, err := spec.Resolve(required[name])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v\n%+v", v, v.Shape())
	}
}
