package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// The parts of SPDX 2.3 that a list of modules needs (spdx.github.io/spdx-spec/v2.3).
type spdxDocument struct {
	Version           string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	ID                string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      spdxCreation   `json:"creationInfo"`
	Packages          []spdxPackage  `json:"packages"`
	Relationships     []spdxRelation `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID               string        `json:"SPDXID"`
	Name             string        `json:"name"`
	Version          string        `json:"versionInfo,omitempty"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	LicenseConcluded string        `json:"licenseConcluded"`
	LicenseDeclared  string        `json:"licenseDeclared"`
	CopyrightText    string        `json:"copyrightText"`
	Comment          string        `json:"comment,omitempty"`
	ExternalRefs     []spdxExtlRef `json:"externalRefs"`
}

type spdxExtlRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelation struct {
	From string `json:"spdxElementId"`
	To   string `json:"relatedSpdxElement"`
	Type string `json:"relationshipType"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	flowcertID = "SPDXRef-flowcert"
	noWord     = "NOASSERTION"
)

// sbom lists what is linked into the programs, as they say themselves. The texts of the licences are in licenses/.
func (r *release) sbom() ([]byte, error) {
	info := r.programs[0].info
	own := spdxPackageOf(flowcertID, info.Main.Path, r.version())
	own.LicenseConcluded, own.LicenseDeclared = "Apache-2.0", "Apache-2.0"
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID, Name: "flowcert " + r.version(),
		DocumentNamespace: fmt.Sprintf("https://%s/spdx/%s/%d", info.Main.Path, tag(r.version()), r.made.Unix()),
		CreationInfo:      spdxCreation{Created: r.made.Format(time.RFC3339), Creators: []string{"Tool: flowcert-release"}},
		Packages:          []spdxPackage{own, spdxPackageOf("SPDXRef-go", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))},
		Relationships:     []spdxRelation{{documentID, flowcertID, "DESCRIBES"}, {flowcertID, "SPDXRef-go", "DEPENDS_ON"}},
	}
	for i, m := range r.modules() {
		p := modulePackage(fmt.Sprintf("SPDXRef-module-%d", i+1), m)
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, spdxRelation{flowcertID, p.ID, "DEPENDS_ON"})
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}

func modulePackage(id string, m *debug.Module) spdxPackage {
	if m.Replace != nil {
		m = m.Replace
	}
	p := spdxPackageOf(id, m.Path, m.Version)
	p.Comment = "go.sum: " + m.Sum
	return p
}

func spdxPackageOf(id, path, version string) spdxPackage {
	// A package URL (github.com/package-url/purl-spec).
	purl := "pkg:golang/" + path
	if version != "" {
		purl += "@" + url.QueryEscape(version)
	}
	return spdxPackage{
		ID: id, Name: path, Version: version, DownloadLocation: noWord, LicenseConcluded: noWord, LicenseDeclared: noWord, CopyrightText: noWord,
		ExternalRefs: []spdxExtlRef{{"PACKAGE-MANAGER", "purl", purl}},
	}
}
