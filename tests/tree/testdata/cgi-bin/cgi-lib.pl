sub ReadParse {
    local(*in) = @_ if @_;
    local($i, $key, $val, $text);
    if ($ENV{'REQUEST_METHOD'} eq "GET") {
        $text = $ENV{'QUERY_STRING'};
    } else {
        read(STDIN, $text, $ENV{'CONTENT_LENGTH'});
    }
    @in = split(/&/, $text);
    foreach $i (0 .. $#in) {
        $in[$i] =~ s/\+/ /g;
        ($key, $val) = split(/=/, $in[$i], 2);
        $val =~ s/%(..)/pack("c", hex($1))/ge;
        $in{$key} = $val;
    }
    return 1;
}

sub PrintHeader { return "Content-type: text/html\n\n"; }

1;
