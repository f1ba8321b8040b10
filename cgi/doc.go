// Package cgi is the Common Gateway Interface as RFC 3875 describes it, and as
// servers have always practised it where the RFC is silent. It finds scripts,
// builds their environment, brings request bodies into the form that they
// expect, and reads the header that they write. It starts no process.
//
//	Tree.Resolve   URL path ──▶ Script             section 3.3, 3.2: which file, SCRIPT_NAME, PATH_INFO
//	Way            file ──▶ Step…                  what this process may do with each folder, link and file on the way
//	Environ        request, Script ──▶ NAME=value  section 4.1: meta-variables
//	NewBody        request ──▶ Body                section 4.2: a body with a known length
//	Arguments      query ──▶ words                 section 4.4: arguments of an indexed query
//	ReadHeader     script's output ──▶ Response    section 6: status, header, kind of response
//
// The comments of the functions cite the sections.
//
// The API carries no promise of stability before v1.0.0.
package cgi
