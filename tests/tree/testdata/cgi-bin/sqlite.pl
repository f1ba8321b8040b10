#!/usr/bin/perl
use strict;
use DBI;

my $db = DBI->connect('dbi:SQLite:dbname=data/perl.db', '', '', { RaiseError => 1, sqlite_use_immediate_transaction => 1 });
$db->do('CREATE TABLE IF NOT EXISTS visit (name TEXT)');
$db->do('INSERT INTO visit VALUES (?)', undef, $ENV{QUERY_STRING});
my ($count) = $db->selectrow_array('SELECT count(*) FROM visit');
print "Content-Type: text/plain\n\n$count ", join(',', map {"@$_"} @{ $db->selectall_arrayref('SELECT name FROM visit') }), "\n";
$db->disconnect;
